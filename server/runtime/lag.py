"""How the event loop is doing: how late it is, and how many tasks it has."""

import asyncio
from typing import Final

from server.runtime.clock import Clock
from server.runtime.metrics import Metrics

EVERY_S: Final = 0.02


class Lag:
    """Sleeps a little, and sees how much later than asked it wakes."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        metrics.watch("warroom_tasks", "Tasks of the event loop.", lambda: len(asyncio.all_tasks()))

    async def run(self) -> None:
        """Look, for ever. A background task."""
        while True:
            due = self._clock.monotonic() + EVERY_S
            await self._clock.sleep(EVERY_S)
            self._metrics.loop_lag.observe(max(0.0, self._clock.monotonic() - due))
