"""Heartbeats by a loop whose time a test turns: who is pinged, and who counts as silent."""

from collections.abc import Callable

import pytest

from server.transport.deadlines import STALLED_S, Heartbeat

INTERVAL_S, TIMEOUT_S = 0.3, 0.2


class Timer:
    """A timer that does not say when it is due, as uvloop's do not where that is at once."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """Never mind."""
        self.cancelled = True


class Loop:
    """The part of a loop that is used: timers, and a time that stands still."""

    def __init__(self) -> None:
        self._now = 100.0
        self._timers: list[tuple[float, Timer]] = []

    def time(self) -> float:
        """Now."""
        return self._now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Call something then."""
        timer = Timer(call)
        self._timers.append((when, timer))
        return timer

    def run(self, seconds: float) -> None:
        """Turn the time on, and carry out each timer when it is due."""
        until = self._now + seconds
        while due := [pair for pair in self._timers if pair[0] <= until]:
            when, timer = first = min(due, key=lambda pair: pair[0])
            self._timers.remove(first)
            if not timer.cancelled:
                self._now = max(self._now, when)
                timer.call()
        self._now = until

    def stall(self, seconds: float) -> None:
        """Turn the time on while nothing is carried out."""
        self._now += seconds


class Client:
    """Whoever is pinged."""

    def __init__(self) -> None:
        self.pings = 0
        self.is_silent = False
        self.stood_still_s = 0.0

    def ping(self) -> None:
        """It is asked."""
        self.pings += 1

    def silent(self) -> None:
        """It was not there."""
        self.is_silent = True


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    """The loop that all runs in."""
    turned = Loop()
    monkeypatch.setattr("server.transport.deadlines.asyncio.get_running_loop", lambda: turned)
    return turned


@pytest.fixture
def beat(loop: Loop) -> Heartbeat:
    """Heartbeats."""
    return Heartbeat(INTERVAL_S, TIMEOUT_S)


def started(beat: Heartbeat) -> Client:
    """Somebody who is pinged from now on."""
    client = Client()
    beat.start(client)
    return client


def test_who_answers_is_pinged_again_and_who_does_not_is_silent(
    loop: Loop, beat: Heartbeat
) -> None:
    here, gone = started(beat), started(beat)
    loop.run(INTERVAL_S + TIMEOUT_S / 2)
    assert (here.pings, gone.pings) == (1, 1)
    beat.answered(here)
    loop.run(TIMEOUT_S)
    assert (here.is_silent, gone.is_silent) == (False, True)
    loop.run(INTERVAL_S)
    assert (here.pings, gone.pings) == (2, 1)


def test_a_client_that_was_not_read_is_late_by_so_much_later(loop: Loop, beat: Heartbeat) -> None:
    unread, read = started(beat), started(beat)
    loop.run(INTERVAL_S)
    unread.stood_still_s = TIMEOUT_S * 1.5  # twice as long as it may be made up for at once
    loop.run(TIMEOUT_S)
    assert (unread.is_silent, read.is_silent) == (False, True)
    loop.run(TIMEOUT_S)
    assert not unread.is_silent
    loop.run(TIMEOUT_S / 2)
    assert unread.is_silent


def test_a_standstill_is_made_up_for_once(loop: Loop, beat: Heartbeat) -> None:
    client = started(beat)
    client.stood_still_s = TIMEOUT_S
    loop.run(INTERVAL_S + TIMEOUT_S * 1.5)
    beat.answered(client)
    loop.run(INTERVAL_S + TIMEOUT_S)
    assert client.is_silent


def test_each_is_pinged_at_its_own_time(loop: Loop, beat: Heartbeat) -> None:
    first = started(beat)
    loop.run(INTERVAL_S / 2)
    second = started(beat)
    loop.run(INTERVAL_S * 0.75)
    assert (first.pings, second.pings) == (1, 0)
    loop.run(INTERVAL_S / 2)
    assert (first.pings, second.pings) == (1, 1)


def test_who_was_let_go_is_left_alone(loop: Loop, beat: Heartbeat) -> None:
    one, other = started(beat), started(beat)
    beat.stop(one)
    loop.run(INTERVAL_S)
    beat.stop(other)
    loop.run(10)
    assert (one.pings, one.is_silent) == (0, False)
    assert (other.pings, other.is_silent) == (1, False)


def test_an_answer_that_nobody_asked_for_changes_nothing(loop: Loop, beat: Heartbeat) -> None:
    client = started(beat)
    loop.run(INTERVAL_S / 2)
    beat.answered(client)
    loop.run(INTERVAL_S / 2)
    assert client.pings == 1


def test_after_a_stall_answers_are_read_before_anybody_is_silent(
    loop: Loop, beat: Heartbeat
) -> None:
    here, gone = started(beat), started(beat)
    loop.run(INTERVAL_S)
    loop.stall(TIMEOUT_S * 3)
    loop.run(0)  # the timers come first, and only then what lies in the sockets
    assert not here.is_silent
    beat.answered(here)
    loop.run(STALLED_S)
    assert (here.is_silent, gone.is_silent) == (False, True)


def test_who_is_pinged_late_has_all_its_time(loop: Loop, beat: Heartbeat) -> None:
    client = started(beat)
    loop.stall(INTERVAL_S + 1)
    loop.run(STALLED_S)
    assert client.pings == 1
    loop.run(TIMEOUT_S * 0.8)
    assert not client.is_silent
    loop.run(TIMEOUT_S)
    assert client.is_silent


def test_the_moment_of_silence_is_known_before_its_timer(loop: Loop, beat: Heartbeat) -> None:
    client = started(beat)
    loop.run(INTERVAL_S)
    loop.stall(TIMEOUT_S - 0.001)
    assert not beat.is_late(client)
    loop.stall(0.002)
    assert beat.is_late(client)
    loop.stall(STALLED_S)  # it is not sure any more: something may lie unread
    assert not beat.is_late(client)
