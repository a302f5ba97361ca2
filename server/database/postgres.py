"""Committing units on PostgreSQL: one writing connection, few round trips a batch.

A batch is one transaction; `postgres_batch.py` executes its units. If the connection is lost after
COMMIT was sent, its outcome is unknown. The batch has written its mark (`mark.py`) into the row of
this writer: the next connection locks that row, which waits for the end of the old transaction, and
reads the outcome. Events of a batch that was committed are published then. If the row holds neither
the mark of that batch nor of the one before, history was lost: the writer renews the epoch and
commits nothing more.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg

from protocol.ids import uuid7
from server.database.connect_postgres import REFUSED, ReadOnly, Target, connect_postgres, lost
from server.database.mark import (
    BEGIN,
    BEGIN_AGAIN,
    BEGUN,
    STEP_S,
    Displaced,
    HistoryLost,
    Mark,
)
from server.database.postgres_batch import Batch
from server.database.statement import Row
from server.database.work import Unavailable, Work
from server.database.writer import Late, Outcome, correlation_ids
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

NAME: Final = "warroom writer"
AGAIN_S: Final = 0.25

_END: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid = $1 and application_name = $2"
)
_WAIT_FOR_DISK: Final = (
    "select set_config('synchronous_commit', 'on', false)"
    " where current_setting('synchronous_commit') = 'off'"
)
"""With `off`, which a role or a database may have set, PostgreSQL answers COMMIT before it is on
disk, and a power cut loses acknowledged commands. All other values wait for the disk.
Source: PostgreSQL, Asynchronous Commit."""
_READ_ONLY: Final = (ReadOnly, asyncpg.ReadOnlySQLTransactionError)
WEEK_MS: Final = 7 * 86_400_000


async def _leave(connection: Any) -> None:
    """Take leave, in bounded time. Never raises."""
    try:
        await connection.close(timeout=STEP_S)
    except REFUSED:
        connection.terminate()


class _Unanswered(NamedTuple):
    """A batch whose COMMIT was sent and not answered."""

    mark: str
    units: Sequence[Work]
    outcomes: Sequence[Outcome]


class _NamedConnection(NamedTuple):
    """A connection, and the name that its batches begin with."""

    connection: Any
    name: str


class PostgresEngine:
    """The writing connection of a PostgreSQL database."""

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._mark = Mark(NAME)
        self._connection: Any = None
        self._connection_name = ""
        self._server = ""
        self._pid = 0
        self._opened_at = 0.0
        self._in_batch = asyncio.Lock()
        self._coming_back: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._seen = ""  # the last mark when this was last looked at
        self._history_lost: HistoryLost | None = None
        self.read_only = False
        self._unknown: _Unanswered | None = None
        self.late: Late = lambda *_: None
        self.moved: Callable[[], None] = lambda: None
        """Called where the address leads to another server than before."""

    @property
    def connected(self) -> bool:
        """Whether there is a connection to commit over."""
        return self._connection is not None

    @property
    def epoch(self) -> str:
        """The epoch of the database."""
        return self._mark.epoch

    async def open(self) -> None:
        """Connect. Raises what asyncpg raises, OSError, ReadOnly."""
        named = await self._connect()
        old = uuid7(time.time_ns() // 1_000_000 - WEEK_MS)
        try:
            await self._mark.enter(named.connection, named.name, old)
        except BaseException:
            named.connection.terminate()
            raise
        self._use(named)

    async def _connect(self) -> _NamedConnection:
        name = uuid7()
        settings = self._mark.settings(name)
        connection = await connect_postgres(self._dsn, self._mark.writer, Target.WRITES, **settings)
        try:
            await connection.execute(_WAIT_FOR_DISK, timeout=STEP_S)
            await self._mark.prepare(connection)
        except BaseException:
            connection.terminate()
            raise
        return _NamedConnection(connection, name)

    def _use(self, named: _NamedConnection) -> None:
        connection, self._connection_name = named
        if self._server not in ("", self._mark.server):
            self.moved()
        self._server = self._mark.server
        self.read_only = False
        self._connection = connection
        self._pid = connection.get_server_pid()  # one that is closed does not say it any more
        self._opened_at = self._clock.monotonic()

    async def close(self) -> None:
        """Close the connection, and forget what was only for this one. Never raises."""
        if self._looking is not None:
            await asyncio.wait({self._looking})
        if self._coming_back is not None:
            self._coming_back.cancel()
            await asyncio.gather(self._coming_back, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await self._mark.forget(connection)
        except REFUSED:
            connection.terminate()
        else:
            await _leave(connection)

    def check(self) -> None:
        """Raises HistoryLost once the database is known to lack what was committed."""
        if self._history_lost is not None:
            raise self._history_lost

    async def look(self) -> None:
        """Ask the database whether it is as this writer left it, unless a batch was committed
        since the last look. Never raises."""
        if self._connection is None or self._seen != self._mark.last:
            self._seen = self._mark.last
            return
        # Who waits for it may be cancelled: the connection is to be clean after that too.
        self._looking = asyncio.create_task(self._look(), name="writer: look")
        await asyncio.wait({self._looking})
        if self._coming_back is not None:
            await asyncio.wait({self._coming_back}, timeout=AGAIN_S)

    async def _look(self) -> None:
        async with self._in_batch:
            if self._connection is None:
                return
            try:
                await self._mark.adopt(self._connection)
            except REFUSED as e:
                log.debug("look_failed", error=f"{type(e).__name__}: {e}")
                # Without the table of marks nothing can be committed, over whatever connection.
                if lost(e) or isinstance(e, asyncpg.UndefinedTableError):
                    self._lose(e)

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Carry out all units and commit once. Raises Unavailable: it may be committed."""
        async with self._in_batch:
            return await self._commit(units)

    async def _commit(self, units: Sequence[Work]) -> list[Outcome]:
        if self._history_lost is not None:
            raise Unavailable(str(self._history_lost)) from self._history_lost
        if self._connection is None:
            raise Unavailable("it is read-only" if self.read_only else "it does not answer")
        try:
            return await self._transaction(units)
        except REFUSED as e:
            raise Unavailable(f"{type(e).__name__}: {e}") from e

    # ---- one transaction

    async def _transaction(self, units: Sequence[Work]) -> list[Outcome]:
        """Begin, execute, commit. However it ends, the connection is clean or given up."""
        connection = self._connection
        execute = partial(connection.execute, timeout=STEP_S)
        try:
            await self._begin()
            batch = Batch(units, self._run, execute, partial(self._begin, BEGIN_AGAIN))
            outcomes = await batch.outcomes()
        except BaseException as e:
            await self._roll_back(e)
            raise
        mark = self._mark.following(self._connection_name)
        self._unknown = _Unanswered(mark, units, outcomes)
        try:
            answer = await connection.execute("commit", timeout=STEP_S)
        except BaseException as e:
            if not lost(e) and not connection.is_closed():
                self._unknown = None  # this is an answer: it was not committed
            await self._roll_back(e)
            raise
        self._unknown = None
        if answer != "COMMIT":
            raise asyncpg.InterfaceError(f"COMMIT was answered with {answer}")
        self._mark.last = mark
        return outcomes

    async def _begin(self, text: str = BEGIN) -> None:
        """Begin the transaction of a batch, which writes its mark. Raises Displaced where the mark
        of the last commit is not there."""
        if await self._connection.execute(text, timeout=STEP_S) != BEGUN:
            raise Displaced("the mark of the last commit is not there")

    async def _roll_back(self, why: BaseException) -> None:
        """End the transaction after an error of the database; the connection, where nothing was
        answered or where the error says that the connection is of no use any more."""
        if not lost(why) and not self._connection.is_closed():
            try:
                await self._connection.execute("rollback", timeout=STEP_S)
            except REFUSED as e:
                log.warning("rollback_failed", error=f"{type(e).__name__}: {e}")
            else:
                return
        self._lose(why)

    async def _run(self, text: str, sent: Sequence[Row]) -> list[Row]:
        """Execute a statement for each row of values, in order, in one round trip."""
        if len(sent) == 1:
            rows = await self._connection.fetch(text, *sent[0], timeout=STEP_S)
        else:
            rows = await self._connection.fetchmany(text, sent, timeout=STEP_S)
        return [tuple(row) for row in rows]

    # ---- growing old

    @property
    def oldest_at(self) -> float | None:
        """When the connection was opened, None where there is none."""
        return None if self._connection is None else self._opened_at

    async def recycle(self, until: float) -> int:
        """Take a new connection between two batches, if this one was opened by then.

        The row with the name of the last batch is the writer's, whatever it writes over: the new
        connection goes on with it. Raises what asyncpg raises, OSError.
        """
        old = self._connection
        if old is None or self._opened_at > until:
            return 0
        named = await self._connect()
        spare = named.connection
        try:
            async with self._in_batch:
                # Where the old one was lost meanwhile, `_come_back` has to find out first.
                if self._connection is old:
                    await self._take_over(named)
                    spare = old
        finally:
            await _leave(spare)
        return int(spare is old)

    async def _take_over(self, named: _NamedConnection) -> None:
        """Go on over a new connection, between two batches. Raises what asyncpg raises, OSError."""
        try:
            await self._mark.adopt(named.connection)
        except Displaced as e:
            self._lose(e)  # the address leads to another database than the old connection does
            raise
        self._use(named)

    # ---- losing the connection, and coming back

    def _lose(self, why: BaseException) -> None:
        error = f"{type(why).__name__}: {why}"
        log.warning("writer_lost", outcome_unknown=self._unknown is not None, error=error)
        self.read_only = isinstance(why, _READ_ONLY)
        self._connection.terminate()
        self._connection = None
        self._coming_back = asyncio.create_task(
            self._come_back(self._pid), name="writer: reconnect"
        )

    async def _come_back(self, last: int) -> None:
        """Connect again, find out what became of the last batch, then take new ones.

        `last`: the process of PostgreSQL that served the connection. It may hold locks still.
        """
        while True:
            connection = None
            try:
                named = await self._connect()
                connection = named.connection
                await connection.execute(_END, last, self._mark.writer, timeout=STEP_S)
                await self._find_out(connection)
            except Exception as e:  # noqa: BLE001 - logged; else it would stay away for ever
                self._say_away(e)
                if connection is not None:
                    connection.terminate()
                await asyncio.sleep(AGAIN_S)
            else:
                self._coming_back = None
                if self._history_lost is not None:
                    await _leave(connection)
                    return
                log.info("writer_back")
                self._use(named)
                return

    def _say_away(self, why: Exception) -> None:
        if not isinstance(why, REFUSED):
            log.error("writer_away", exc_info=why)
            return
        read_only = isinstance(why, _READ_ONLY)
        say = log.warning if read_only and not self.read_only else log.debug
        say("writer_away", read_only=read_only, error=f"{type(why).__name__}: {why}")
        self.read_only = read_only

    async def _find_out(self, connection: Any) -> None:
        """Whether the batch whose COMMIT was not answered is committed: its events are published
        then. Where the database lacks what was committed before, the epoch is renewed."""
        mark = await self._mark.wait(connection)
        batch = self._unknown
        before = self._mark.last
        committed = batch is not None and mark == batch.mark
        if batch is not None and committed:
            self._mark.last = batch.mark
        try:
            displaced = await self._displaced(connection)
        except BaseException:
            self._mark.last = before  # the next attempt may lead to another server
            raise
        if displaced:
            return
        self._unknown = None
        if batch is None:
            return
        named = correlation_ids(batch.units)
        log.info("outcome_known", units=len(batch.units), committed=committed, origins=named)
        for unit, outcome in zip(batch.units, batch.outcomes, strict=True):
            if committed and not isinstance(outcome, Exception):
                self.late(unit, outcome)

    async def _displaced(self, connection: Any) -> bool:
        """Whether history was lost: what clients know by its numbers is not what the database
        holds. Then the epoch is renewed."""
        try:
            await self._mark.adopt(connection)
        except Displaced as e:
            found, why = await self._mark.renew_epoch(connection), e
        else:
            return False
        log.error(
            "history_lost",
            committed=self._mark.last,
            found=found.mark,
            epoch=self._mark.epoch,
            epoch_found=found.epoch,
        )
        self._unknown = None
        self._history_lost = HistoryLost(f"the database lacks what was committed: {why}")
        return True
