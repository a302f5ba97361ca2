"""A clock that a test turns."""

import asyncio
from collections.abc import Callable

START_MS = 1_700_000_000_000


class ManualClock:
    """Time stands still until `advance`. Who sleeps wakes when its moment is reached."""

    def __init__(self, now_ms: int = START_MS) -> None:
        self._now_ms = now_ms
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self._slept: asyncio.Queue[float] = asyncio.Queue()
        self._on_set: list[Callable[[], None]] = []

    def now_ms(self) -> int:
        """Wall time."""
        return self._now_ms

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was turned so far."""
        due: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self._seconds + seconds, due))
        self._slept.put_nowait(seconds)
        await due

    def advance(self, seconds: float) -> None:
        """Turn the clock."""
        self._seconds += seconds
        self._now_ms += round(seconds * 1000)
        for at, due in self._sleepers:
            if at <= self._seconds and not due.done():
                due.set_result(None)
        self._sleepers = [(at, due) for at, due in self._sleepers if not due.done()]

    def on_set(self, call: Callable[[], None]) -> None:
        """Call something whenever wall time is set."""
        self._on_set.append(call)

    def set(self, seconds: float) -> None:
        """Set wall time forward, or back. No time passes."""
        self._now_ms += round(seconds * 1000)
        for call in self._on_set:
            call()

    async def asleep(self) -> float:
        """Wait until somebody goes to sleep. Returns for how many seconds."""
        return await self._slept.get()
