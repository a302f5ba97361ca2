"""Changes of rights: numbered in the unit that makes them, and acted on in every process.

The process in which a change is made acts on it as soon as it is committed. All others read every
2 s what is new. Both go the same way: whatever has a higher number than the last one acted on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

from protocol.gateway import ExpiryReason
from protocol.times import rfc3339
from server.auth.store import ChangeRow, RightsLog
from server.database import Database, Stale, Unavailable, Work, retry_while_stale
from server.gateway import Connection, Gateway, RightsChange
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("auth")

EVERY_S: Final = 2.0
KEPT: Final = 1000
"""So many changes are there to be read at least: a process that was away for more closes all."""
FORGET_EACH: Final = 100


class EndedRights(NamedTuple):
    """Whose rights end, and why. `session`: one log-in, None for all."""

    who: str
    session: str | None
    why: ExpiryReason


Decide = Callable[[Work, int], Awaitable[EndedRights | None]]
"""Puts a change into a unit of this moment. None where nobody's rights end; where the unit is
empty then, there is nothing to change."""


def _change(row: ChangeRow) -> RightsChange:
    known = set(ExpiryReason)
    reason = ExpiryReason(row.why) if row.why in known else ExpiryReason.RIGHTS_CHANGED
    return RightsChange(row.version, row.who, row.session, reason)


class Rights:
    """The changes of rights, as one process knows them."""

    def __init__(self, database: Database, gateway: Gateway, clock: Clock) -> None:
        self._database = database
        self._log = RightsLog(database.reader)
        self._gateway = gateway
        self._clock = clock
        self._seen = 0
        self._forgotten = 0
        self._one_reads = asyncio.Lock()
        self._looking: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """Begin from the newest change: nobody is connected who could have missed one."""
        self._seen = await self._log.newest()
        self._gateway.rights.doubt(self._seen)

    async def change(self, decide: Decide, actor: str | None = None) -> None:
        """Change rights, and act on it. Raises what `decide` does, Unavailable, Failure `busy`.

        `actor`: who changes them, where it is not the server itself.
        """

        async def attempt() -> bool:
            now = self._clock.now_ms()
            work = Work(rfc3339(now), actor=actor, on_others=actor is not None)
            ended = await decide(work, now)
            if ended is None and not work.changes:
                return False
            if ended is not None:
                self.add(work, ended, now)
            await self._database.commit(work)
            return True

        if await retry_while_stale(attempt):
            await self.look()

    def add(
        self, work: Work, ended: EndedRights, now: int, spared: Connection | None = None
    ) -> None:
        """Number a change in the unit that makes it. `look` once that is committed.

        The connections that it concerns are closed with the commit, before its events are
        published; `spared`, over which it was asked for, by the look.
        """
        self._log.add(work, ended.who, ended.session, ended.why, now)
        work.on_commit(partial(self._committed, ended, spared))

    def _committed(self, ended: EndedRights, spared: Connection | None) -> None:
        # Its number is read with the next look; it is above all that were acted on. Rights that
        # another process changed meanwhile, and that were read since, are left to that look.
        change = RightsChange(self._seen + 1, ended.who, ended.session, ended.why)
        self._gateway.rights.change(change, spared)
        log.info("rights_ended", user=ended.who, session=ended.session, reason=ended.why)

    async def run(self) -> None:
        """Act on what other processes changed, for ever."""
        while True:
            await self._clock.sleep(EVERY_S)
            await self.look()

    def look_soon(self) -> None:
        """Act on what is new, once whoever calls has gone on."""
        task = asyncio.create_task(self.look(), name="rights")
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    async def look(self) -> None:
        """Act on what is new. Where that fails, the next look goes on. Never raises: a change of
        rights that was committed is not refused because old ones can't be forgotten."""
        try:
            await self.catch_up()
            if self._seen - KEPT - self._forgotten >= FORGET_EACH:
                await self._forget(self._seen - KEPT)
        except (Stale, Unavailable) as e:
            log.warning("rights_not_read", error=str(e))

    async def catch_up(self) -> None:
        """Act on all changes that were not acted on. Raises Unavailable."""
        async with self._one_reads:
            for row in await self._log.after(self._seen):
                if row.version != self._seen + 1:
                    # What stood between is pruned, so whom it concerned is not known.
                    log.warning("rights_missed", after=self._seen, before=row.version)
                    self._gateway.rights.doubt(row.version - 1)
                self._gateway.rights.change(_change(row))
                self._seen = row.version

    async def _forget(self, version: int) -> None:
        work = Work(rfc3339(self._clock.now_ms()))
        self._log.forget(work, version)
        await self._database.commit(work)
        self._forgotten = version
