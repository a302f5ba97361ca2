"""How long a client or a message may take: deadlines, heartbeats, and when they stand still.

A timer for each message or client would cost hundreds of bytes and a step of the loop. All of one
kind have the same time, so the oldest is due first, and one timer serves all of them.
"""

import asyncio
from collections import OrderedDict
from itertools import islice, takewhile
from typing import Final, Protocol

from server.runtime.clock import Clock

AT_ONCE: Final = 16
"""So many are ended before the loop looks at the sockets again: hundreds may be late at once, and
ending one may take a request's time."""
STALLED_S: Final = 0.02
CATCH_UP_S: Final = 0.005


class Limited(Protocol):
    """What may take so long and no longer."""

    def expire(self) -> None:
        """It is late: end it. Called once."""
        ...


class Deadlines:
    """What waits for something, each for the same time at most."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self.limit_s: Final = limit_s
        self._due: dict[Limited, float] = {}  # the oldest first

    def begin(self, limited: Limited) -> None:
        """It begins to wait, if it does not wait already."""
        self._due.setdefault(limited, self._clock.monotonic() + self.limit_s)

    def end(self, limited: Limited) -> None:
        """It has ended, late or not."""
        self._due.pop(limited, None)

    async def watch(self) -> None:
        """End what is late, for ever. A background task."""
        while True:
            oldest = next(iter(self._due.values()), None)
            now = self._clock.monotonic()
            # What begins while nothing is under way is not due before this wakes.
            await self._clock.sleep(self.limit_s if oldest is None else oldest - now)
            self.end_late()

    def end_late(self) -> bool:
        """End what is late by now, AT_ONCE of them at most. Returns whether there may be more."""
        now = self._clock.monotonic()
        late = takewhile(lambda item: item[1] <= now, self._due.items())
        chosen = list(islice(late, AT_ONCE))
        for limited, _ in chosen:
            self.end(limited)
            limited.expire()
        return len(chosen) == AT_ONCE


class Standstill:
    """The pauses in which the server did not read one client.

    Its deadlines stand still meanwhile: it can't be late with what is not read. Each pause counts
    for `limit_s` seconds at most.

    All times are seconds of one monotonic clock.
    """

    __slots__ = ("_before_s", "_limit_s", "_since")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._before_s = 0.0
        self._since: float | None = None

    def begin(self, now: float) -> None:
        """The server stops reading. Does nothing where it does not read already."""
        if self._since is None:
            self._since = now

    def end(self, now: float) -> None:
        """The server reads again. Does nothing where it did."""
        self._before_s = self.total_s(now)
        self._since = None

    def total_s(self, now: float) -> float:
        """For how long deadlines have stood still since the client came."""
        paused_s = 0.0 if self._since is None else min(now - self._since, self._limit_s)
        return self._before_s + paused_s


class Pinged(Protocol):
    """A connection with a heartbeat."""

    def ping(self) -> None:
        """It is time to ask whether the client is there."""
        ...

    def silent(self) -> None:
        """It was asked, and has not answered in time."""
        ...

    @property
    def stood_still_s(self) -> float:
        """For how long its deadlines have stood still: see `Standstill`."""
        ...


class Heartbeat:
    """The heartbeats of all clients: a ping every `interval_s`, answered within `timeout_s`."""

    def __init__(self, interval_s: float, timeout_s: float) -> None:
        self.interval_s = interval_s
        self.timeout_s = timeout_s
        self._to_ping: OrderedDict[Pinged, float] = OrderedDict()  # when each is due
        self._to_answer: OrderedDict[Pinged, float] = OrderedDict()
        self._excused_s: dict[Pinged, float] = {}  # how much of a standstill was made up for
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0  # uvloop's handles do not say it where they are due at once

    def start(self, one: Pinged) -> None:
        """Ping somebody from now on."""
        self._to_ping[one] = asyncio.get_running_loop().time() + self.interval_s
        self._set_timer()

    def answered(self, one: Pinged) -> bool:
        """The client is there. Returns whether it was asked: else its answer changes nothing."""
        asked = self._to_answer.pop(one, None) is not None
        if asked:
            self.start(one)
        return asked

    def stop(self, one: Pinged) -> None:
        """Leave somebody alone."""
        self._to_ping.pop(one, None)
        self._to_answer.pop(one, None)
        self._excused_s.pop(one, None)

    def is_late(self, one: Pinged) -> bool:
        """Whether its time to answer is over, and the timer only just about to see that."""
        due = self._to_answer.get(one)
        return due is not None and 0 <= asyncio.get_running_loop().time() - due <= STALLED_S

    def _set_timer(self) -> None:
        lines = (self._to_ping, self._to_answer)
        due = min((next(iter(line.values())) for line in lines if line), default=None)
        if due is None or (self._timer is not None and self._timer_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._look)

    def _look(self) -> None:
        """See who is due. Where the loop has stood still, answers may lie unread: they go first."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._timer_at > STALLED_S:
            self._timer_at = loop.time() + CATCH_UP_S
            self._timer = loop.call_at(self._timer_at, self._act)
        else:
            self._act()

    def _act(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for one in _due(self._to_answer, now):
            del self._to_answer[one]
            more_s = one.stood_still_s - self._excused_s.get(one, 0.0)
            if more_s > 0:  # its answer may be among what the server has not read
                more_s = min(more_s, self.timeout_s)
                self._excused_s[one] = self._excused_s.get(one, 0.0) + more_s
                self._to_answer[one] = now + more_s
            else:
                one.silent()
        for one in _due(self._to_ping, now):
            due = self._to_ping.pop(one)
            asked = now if now - due > STALLED_S else due
            self._to_answer[one] = asked + self.timeout_s
            one.ping()
        self._set_timer()


def _due(line: OrderedDict[Pinged, float], now: float) -> list[Pinged]:
    found = []
    for one, due in line.items():
        if due > now:
            break
        found.append(one)
    return found
