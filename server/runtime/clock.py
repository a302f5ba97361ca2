"""Time, passed in wherever it matters, so that tests can turn it."""

import asyncio
import time
from typing import Protocol


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


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        """Wall time."""
        return time.time_ns() // 1_000_000

    # Asked three times for every message: without a call of ours around it.
    monotonic = staticmethod(time.monotonic)
    """Seconds that only ever grow."""

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
