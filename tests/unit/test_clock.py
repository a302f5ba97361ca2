"""The server's clock beside one of a machine that leaps."""

import pytest

from server.runtime.clock import MAX_LEAP_S, SLEW, SystemClock

S = 1_000_000_000
START = 1_700_000_000 * S


class Machine:
    """Both clocks of a machine, in nanoseconds."""

    def __init__(self) -> None:
        self.wall = START
        self.up = 17 * S
        self.clock = SystemClock(lambda: self.wall, lambda: self.up)

    def pass_time(self, seconds: int) -> None:
        """Let time pass, a second a step, as the service does."""
        for _ in range(seconds):
            self.wall += S
            self.up += S
            self.clock.step(1)


def test_it_is_the_time_of_the_machine() -> None:
    machine = Machine()
    machine.pass_time(1000)
    assert machine.clock.now_ms() == machine.wall // 1_000_000
    assert machine.clock.off_s == 0


@pytest.mark.parametrize("leap_s", [120, -120, MAX_LEAP_S, -MAX_LEAP_S])
def test_a_leap_is_made_up_for_so_slowly_that_nothing_ends_early(leap_s: float) -> None:
    machine = Machine()
    before = machine.clock.now_ms()
    machine.wall += int(leap_s * S)
    assert machine.clock.now_ms() == before
    assert machine.clock.off_s == leap_s
    machine.pass_time(900)  # the life of a token
    late_s = (machine.clock.now_ms() - before) / 1000 - 900
    assert abs(late_s) <= 900 * SLEW + 0.001
    assert late_s * leap_s > 0
    assert abs(machine.clock.off_s) < abs(leap_s)


def test_in_the_end_it_is_made_up_for() -> None:
    machine = Machine()
    machine.wall += 2 * S
    machine.pass_time(int(2 / SLEW))
    assert machine.clock.off_s == pytest.approx(0, abs=0.001)
    machine.pass_time(10)
    assert machine.clock.now_ms() == machine.wall // 1_000_000


@pytest.mark.parametrize("leap_s", [MAX_LEAP_S + 1, -MAX_LEAP_S - 1, 86_400])
def test_a_clock_that_was_quite_wrong_is_believed(leap_s: float) -> None:
    machine = Machine()
    told: list[int] = []
    machine.clock.on_set(lambda: told.append(machine.clock.now_ms()))
    machine.wall += int(leap_s * S)
    machine.pass_time(1)
    assert machine.clock.now_ms() == machine.wall // 1_000_000
    assert told == [machine.clock.now_ms()], "once, when it is believed"
    machine.pass_time(10)
    assert len(told) == 1


def test_nobody_is_told_of_a_leap_that_is_made_up_for() -> None:
    machine = Machine()
    told: list[None] = []
    machine.clock.on_set(lambda: told.append(None))
    machine.wall += int(MAX_LEAP_S * S)
    machine.pass_time(10)
    assert told == []
