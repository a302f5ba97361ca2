"""Time, passed in wherever it matters, so that tests can turn it."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

from server.runtime.log import logger

log = logger("clock")

MAX_LEAP_S: Final = 300.0
"""A clock that is further off than that was wrong before, or the machine slept: it is believed."""
SLEW: Final = 0.0005
"""How much faster or slower time runs meanwhile. Source: the most that adjtime(3) slews by."""
FOLLOWS_EVERY_S: Final = 1.0
TOLD_FROM_S: Final = 1.0
"""A leap that is smaller is not worth a line in the log."""


class Clock(Protocol):
    """Where time comes from."""

    def now_ms(self) -> int:
        """Wall time: milliseconds since 1970 UTC. It may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def on_set(self, call: Callable[[], None]) -> None:
        """Call something whenever wall time has been set: all deadlines by it have moved."""
        ...


class SystemClock:
    """The clock of this machine, without its leaps.

    A clock that is set forward would end tokens, seats and battles early, one that is set back
    make tokens invalid that were given a moment ago. So wall time is the one of the start plus
    what has passed on the monotonic clock; where the machine's own is another, `follow` lets time
    run a little faster or slower until both are the same.
    """

    def __init__(
        self,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._offset_ns = wall_ns() - monotonic_ns()
        self._was_off = False
        self._on_set: list[Callable[[], None]] = []

    def now_ms(self) -> int:
        """Wall time."""
        return (self._monotonic_ns() + self._offset_ns) // 1_000_000

    # Asked three times for every message: without a call of ours around it.
    monotonic = staticmethod(time.monotonic)
    """Seconds that only ever grow."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def on_set(self, call: Callable[[], None]) -> None:
        """Call something whenever the machine's clock was believed at once."""
        self._on_set.append(call)

    @property
    def off_s(self) -> float:
        """How far the machine's clock is ahead, in seconds."""
        return (self._wall_ns() - self._monotonic_ns() - self._offset_ns) / 1e9

    async def follow(self) -> None:
        """Come back to the machine's own clock, little by little. A background task."""
        while True:
            await self.sleep(FOLLOWS_EVERY_S)
            self.step(FOLLOWS_EVERY_S)

    def step(self, passed_s: float) -> None:
        """Make up for what can be made up for in the time that has passed."""
        off_s = self.off_s
        if abs(off_s) > MAX_LEAP_S:
            log.warning("clock_set", seconds=round(off_s, 3))
            self._offset_ns += round(off_s * 1e9)
            self._was_off = False
            for call in self._on_set:
                call()
            return
        if (is_off := abs(off_s) > TOLD_FROM_S) and not self._was_off:
            log.warning("clock_leapt", seconds=round(off_s, 3))
        self._was_off = is_off
        most = SLEW * passed_s
        self._offset_ns += round(max(-most, min(most, off_s)) * 1e9)
