"""Recycling: a connection that has grown old makes room for a new one.

Proxies and firewalls drop what has lasted long, a fail-over leaves connections to the old machine,
and a session of PostgreSQL only ever grows. The new connection is opened beside the old one, which
serves until then: nobody waits for it, and where it can't be had the old one goes on.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from server.database.connect_postgres import REFUSED
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

AGAIN_S: Final = 10.0


class Recycled(Protocol):
    """What holds connections. Its times are of the monotonic clock."""

    @property
    def oldest_at(self) -> float | None:
        """When the oldest connection was opened, None where there is none."""
        ...

    async def recycle(self, until: float) -> int:
        """Replace those opened at that time or before. Returns how many.

        Raises what the database raises: what was not replaced by then goes on.
        """
        ...


class Recycling:
    """Replaces connections as soon as they have reached an age."""

    def __init__(self, parts: Sequence[Recycled], age_s: float, clock: Clock) -> None:
        """`age_s`: 0 is never."""
        self._parts = parts if age_s else ()
        self._age_s = age_s
        self._clock = clock

    async def run(self) -> None:
        """Replace whatever grows old. Returns at once where nothing does."""
        while self._parts:
            await self._clock.sleep(await self._look())

    async def _look(self) -> float:
        """Replace what is old now. Returns in how many seconds to look again."""
        old = self._clock.monotonic() - self._age_s
        recycled, failed = 0, False
        for part in self._parts:
            try:
                recycled += await part.recycle(old)
            except REFUSED as e:
                log.warning("recycling_failed", error=f"{type(e).__name__}: {e}")
                failed = True
        if recycled:
            log.info("recycled", connections=recycled)
        if failed:
            return AGAIN_S
        now = self._clock.monotonic()
        opened = [at for part in self._parts if (at := part.oldest_at) is not None]
        return max(min(opened, default=now) + self._age_s - now, 0.0)
