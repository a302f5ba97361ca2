"""Committing units on PostgreSQL: one writing connection, few round trips a batch.

A batch is one transaction; `postgres_batch.py` executes its units. Where the connection is lost
after COMMIT was sent, nobody knows what became of it. The batch has written its name into a row of
this writer: the next connection locks that row, which waits for whatever is left of the old
transaction, and reads what became of it. What was committed is told then.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import asyncpg

from protocol.ids import uuid7
from server.database.dial import REFUSED, dial
from server.database.postgres_batch import Batch
from server.database.statement import Row
from server.database.work import Unavailable, Work
from server.database.writer import Late, Outcome, origins
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

NAME: Final = "warroom writer"
STEP_S: Final = 2.0
AGAIN_S: Final = 0.25

_PREPARE: Final = (
    "prepare warroom_mark as insert into facts (name, value)"
    " values (current_setting('warroom.writer'),"
    "  current_setting('warroom.connection') || ' ' || set_config('warroom.batch',"
    "   (current_setting('warroom.batch')::bigint + 1)::text, false))"
    " on conflict (name) do update set value = excluded.value"
)
"""Writes the name of a batch: that of the connection, and a number that grows with each commit.
What is rolled back does not count."""
_BEGIN: Final = "begin; execute warroom_mark"
"""In one round trip, as it takes no values: these are settings of the session."""
_BEGIN_AGAIN: Final = f"rollback; {_BEGIN}"
_READ_MARK: Final = "select value from facts where name = $1 for update"
_END: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid = $1 and application_name = $2"
)
_READ_ONLY: Final = "show transaction_read_only"
_FORGET: Final = "delete from facts where name = $1"
_FORGET_OLD: Final = "delete from facts where name like $1 and name < $2"


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


class _Named(NamedTuple):
    """A connection, and the name that its batches begin with."""

    connection: Any
    name: str


class PostgresEngine:
    """The writing connection of a PostgreSQL database."""

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._name = f"{NAME} {uuid7()}"
        self._connection: Any = None
        self._mark = ""
        self._commits = 0
        self._pid = 0
        self._opened_at = 0.0
        self._in_batch = asyncio.Lock()
        self._coming_back: asyncio.Task[None] | None = None
        self._unknown: _Unanswered | None = None
        self.late: Late = lambda *_: None

    @property
    def connected(self) -> bool:
        """Whether there is a connection to commit over."""
        return self._connection is not None

    async def open(self) -> None:
        """Connect. Raises what asyncpg raises, OSError."""
        self._use(await self._dial())
        # What writers that were killed have left. A living one writes its row anew with each batch.
        last_week = uuid7(time.time_ns() // 1_000_000 - 7 * 86_400_000)
        await self._connection.execute(_FORGET_OLD, f"{NAME} %", f"{NAME} {last_week}")

    async def _dial(self) -> _Named:
        name = uuid7()
        settings = {
            "warroom.writer": self._name,
            "warroom.connection": name,
            "warroom.batch": "0",
        }
        connection = await dial(self._dsn, self._name, **settings)
        try:
            await connection.execute(_PREPARE, timeout=STEP_S)
        except BaseException:
            connection.terminate()
            raise
        return _Named(connection, name)

    def _use(self, named: _Named) -> None:
        connection, self._mark = named
        self._commits = 0
        self._connection = connection
        self._pid = connection.get_server_pid()  # one that is closed does not say it any more
        self._opened_at = self._clock.monotonic()

    async def close(self) -> None:
        """Close the connection, and forget what was only for this one. Never raises."""
        if self._coming_back is not None:
            self._coming_back.cancel()
            await asyncio.gather(self._coming_back, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await connection.execute(_FORGET, self._name, timeout=STEP_S)
        except REFUSED:
            connection.terminate()
        else:
            await _leave(connection)

    def check(self) -> None:
        """Nothing to see: what is committed is the database's own affair."""

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Carry out all units and commit once. Raises Unavailable: it may be committed."""
        async with self._in_batch:
            return await self._commit(units)

    async def _commit(self, units: Sequence[Work]) -> list[Outcome]:
        if self._connection is None:
            raise Unavailable("it does not answer")
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
            await execute(_BEGIN)
            batch = Batch(units, self._run, execute, partial(execute, _BEGIN_AGAIN))
            outcomes = await batch.outcomes()
        except BaseException as e:
            await self._roll_back(e)
            raise
        mark = f"{self._mark} {self._commits + 1}"
        self._unknown = _Unanswered(mark, units, outcomes)
        try:
            answer = await connection.execute("commit", timeout=STEP_S)
        except BaseException as e:
            if isinstance(e, asyncpg.PostgresError) and not connection.is_closed():
                self._unknown = None  # this is an answer: it was not committed
            await self._roll_back(e)
            raise
        self._unknown = None
        if answer != "COMMIT":
            raise asyncpg.InterfaceError(f"COMMIT was answered with {answer}")
        self._commits += 1
        return outcomes

    async def _roll_back(self, why: BaseException) -> None:
        """End the transaction after an answer of the database; after silence, the connection."""
        if isinstance(why, asyncpg.PostgresError) and not self._connection.is_closed():
            try:
                await self._connection.execute("rollback", timeout=STEP_S)
            except REFUSED as e:
                log.warning("rollback_failed", error=f"{type(e).__name__}: {e}")
            else:
                return
        self._lose()

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
        named = await self._dial()
        spare = new = named.connection
        try:
            if await new.fetchval(_READ_ONLY, timeout=STEP_S) == "on":
                # Amid a fail-over the address may lead to a standby.
                raise asyncpg.ReadOnlySQLTransactionError("it only reads")
            async with self._in_batch:
                # Where the old one was lost meanwhile, `_come_back` has to find out first.
                if self._connection is old:
                    self._use(named)
                    spare = old
        finally:
            await _leave(spare)
        return int(spare is old)

    # ---- losing the connection, and coming back

    def _lose(self) -> None:
        log.warning("writer_lost", outcome_unknown=self._unknown is not None)
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
                named = await self._dial()
                connection = named.connection
                await connection.execute(_END, last, self._name, timeout=STEP_S)
                await self._find_out(connection)
            except REFUSED as e:
                log.debug("writer_away", error=str(e))
                if connection is not None:
                    connection.terminate()
                await asyncio.sleep(AGAIN_S)
            else:
                log.info("writer_back")
                self._use(named)
                self._coming_back = None
                return

    async def _find_out(self, connection: Any) -> None:
        """Whether the batch whose COMMIT was not answered is committed. Tells it if so."""
        if self._unknown is None:
            return
        batch = self._unknown
        committed = await connection.fetchval(_READ_MARK, self._name, timeout=STEP_S) == batch.mark
        self._unknown = None
        named = origins(batch.units)
        log.info("outcome_known", units=len(batch.units), committed=committed, origins=named)
        for unit, outcome in zip(batch.units, batch.outcomes, strict=True):
            if committed and not isinstance(outcome, Exception):
                self.late(unit, outcome)
