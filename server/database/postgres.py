"""Carrying out units on PostgreSQL: one writing connection, few round trips a batch.

The units of a batch are carried out side by side: each takes its next step, and the steps that
are the same statement go out as one round trip. What two units have both decided on is a hot copy
that both name, so units without a copy in common may be mixed, and others keep their order. If
anything is not as it was decided, all is rolled back and the units are carried out one by one,
each in a savepoint, which shows which of them falls.

Where the connection is lost after COMMIT was sent, nobody knows what became of it. The batch has
written its name into a row of this writer: the next connection locks that row, which waits for
whatever is left of the old transaction, and reads what became of it. What was committed is told
then.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from protocol.ids import uuid7
from server.database.dial import AWAY, CONNECT_S, REFUSED, dial
from server.database.hot import Copy
from server.database.statement import Row, Statement
from server.database.steps import NUMBER, Numbers, Steps, steps
from server.database.work import ANY_NUMBER, Change, Stale, Unavailable, Work
from server.database.writer import Late, Outcome, origins
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

NAME: Final = "warroom writer"
STEP_S: Final = 2.0
AGAIN_S: Final = 0.25

_MARK: Final = Statement(
    "database.mark",
    "insert into facts (name, value) values (:name, :value)"
    " on conflict (name) do update set value = excluded.value",
)
_READ_MARK: Final = "select value from facts where name = $1 for update"
_END: Final = (
    "select pg_terminate_backend(pid) from pg_stat_activity"
    " where pid = $1 and application_name = $2"
)
_READ_ONLY: Final = "show transaction_read_only"
_FORGET: Final = "delete from facts where name = $1"
_FORGET_OLD: Final = "delete from facts where name like $1 and name < $2"

_CHANGED: Final = (
    Stale,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.TransactionRollbackError,  # a deadlock with another process
)
"""What says that a unit was decided on something that has changed since."""
_UNFIT: Final = (ValueError, TypeError, OverflowError)
"""A value that can't be encoded."""

Taken = dict[Work, deque[Row]]
"""The numbers that units were given, in the form that `steps` is sent them."""
CarryOut = Callable[[Sequence[Work]], Awaitable[list[Outcome]]]


async def _leave(connection: Any) -> None:
    """Take leave, in bounded time. Never raises."""
    try:
        await connection.close(timeout=STEP_S)
    except REFUSED:
        connection.terminate()


class _Apart(Exception):
    """Together the units don't fit: one by one shows which is at fault."""


class _Batch(NamedTuple):
    """A batch whose COMMIT was sent and not answered."""

    mark: str
    units: Sequence[Work]
    outcomes: Sequence[Outcome]


class PostgresEngine:
    """The writing connection of a PostgreSQL database."""

    def __init__(self, dsn: str, clock: Clock) -> None:
        self._dsn = dsn
        self._clock = clock
        self._name = f"{NAME} {uuid7()}"
        self._connection: Any = None
        self._pid = 0
        self._opened_at = 0.0
        self._in_batch = asyncio.Lock()
        self._coming_back: asyncio.Task[None] | None = None
        self._unknown: _Batch | None = None
        self.late: Late = lambda *_: None

    @property
    def connected(self) -> bool:
        """Whether there is a connection to commit over."""
        return self._connection is not None

    async def open(self) -> None:
        """Connect. Raises what asyncpg raises, OSError."""
        self._use(await dial(self._dsn, self._name))
        # What writers that were killed have left. A living one writes its row anew with each batch.
        last_week = uuid7(time.time_ns() // 1_000_000 - 7 * 86_400_000)
        await self._connection.execute(_FORGET_OLD, f"{NAME} %", f"{NAME} {last_week}")

    def _use(self, connection: Any) -> None:
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

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Carry out all units and commit once. Raises Unavailable: it may be committed."""
        async with self._in_batch:
            return await self._commit(units)

    async def _commit(self, units: Sequence[Work]) -> list[Outcome]:
        if self._connection is None:
            raise Unavailable("it does not answer")
        try:
            try:
                return await self._transaction(units, self._together)
            except _Apart:
                if self._coming_back is not None:
                    async with asyncio.timeout(CONNECT_S):
                        await asyncio.shield(self._coming_back)
                return await self._transaction(units, self._one_by_one)
        except REFUSED as e:
            raise Unavailable(f"{type(e).__name__}: {e}") from e

    # ---- one transaction

    async def _transaction(self, units: Sequence[Work], carry_out: CarryOut) -> list[Outcome]:
        """Begin, carry out, commit. However it ends, the connection is clean or given up."""
        connection, mark = self._connection, uuid7()
        try:
            await connection.execute("begin", timeout=STEP_S)
            await self._run(_MARK, [(self._name, mark, 0)])
            outcomes = await carry_out(units)
        except BaseException as e:
            await self._roll_back(e)
            raise
        self._unknown = _Batch(mark, units, outcomes)
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
        return outcomes

    async def _roll_back(self, why: BaseException) -> None:
        """End the transaction after an answer of the database; after silence, the connection."""
        if isinstance(why, asyncpg.PostgresError | _Apart) and not self._connection.is_closed():
            try:
                await self._connection.execute("rollback", timeout=STEP_S)
            except REFUSED:
                log.warning("rollback_failed", exc_info=True)
            else:
                return
        self._lose()

    async def _together(self, units: Sequence[Work]) -> list[Outcome]:
        """All units, those that may be mixed side by side. Raises _Apart."""
        outcomes: dict[Work, Outcome] = {
            unit: Stale("what it was decided on has fallen") for unit in units if unit.fallen
        }
        try:
            live = [unit for unit in units if unit not in outcomes]
            taken = await self._take_numbers(live)
            for wave in _waves(live):
                numbers = await self._side_by_side(wave, taken)
                outcomes.update(zip(wave, numbers, strict=True))
        except (Stale, *_UNFIT) as e:
            raise _Apart from e
        except asyncpg.PostgresError as e:
            if isinstance(e, AWAY):
                raise
            raise _Apart from e
        return [outcomes[unit] for unit in units]

    async def _one_by_one(self, units: Sequence[Work]) -> list[Outcome]:
        """All units in order, each in a savepoint. What is wrong with one harms no other."""
        return [await self._alone(unit) for unit in units]

    async def _alone(self, unit: Work) -> Outcome:
        if unit.fallen:
            return Stale("what it was decided on has fallen")
        execute = self._connection.execute
        await execute("savepoint unit", timeout=STEP_S)
        try:
            (numbers,) = await self._side_by_side([unit], await self._take_numbers([unit]))
        except (Stale, *_UNFIT, asyncpg.PostgresError) as e:
            if isinstance(e, AWAY) and not isinstance(e, ValueError):
                raise
            await execute("rollback to unit", timeout=STEP_S)
            unit.fall()
            return Stale(str(e)) if isinstance(e, _CHANGED) else e
        await execute("release unit", timeout=STEP_S)
        return numbers

    async def _take_numbers(self, units: Sequence[Work]) -> Taken:
        """Numbers for what units tell, in the order of the units: so they are published too.

        Rooms are taken in the order of their names, so that no two processes wait for each other.
        """
        wanted = {unit: _numbered(unit) for unit in units}
        counts = Counter(room for numbered in wanted.values() for room in numbered)
        sent = [(room, counts[room], place) for place, room in enumerate(sorted(counts))]
        rows = await self._run(NUMBER, sent) if sent else []
        following = {sent[row[1]][0]: row[0] - sent[row[1]][1] for row in rows}
        taken: Taken = {}
        for unit, numbered in wanted.items():
            taken[unit] = deque()
            for room in numbered:
                following[room] += 1
                taken[unit].append((following[room],))
        return taken

    async def _side_by_side(self, units: Sequence[Work], taken: Taken) -> list[Numbers]:
        """Units that may be mixed: their steps that are the same statement in one round trip.

        Raises Stale where a step touches another number of rows than it must.
        """
        numbers: dict[int, Numbers] = {}
        at: dict[Statement, list[tuple[int, Steps, Change]]] = {}

        def advance(place: int, todo: Steps, row: Row | None) -> None:
            try:
                change = todo.send(row)
                while change.statement is NUMBER:
                    change = todo.send(taken[units[place]].popleft())
            except StopIteration as end:
                numbers[place] = end.value
            else:
                at.setdefault(change.statement, []).append((place, todo, change))

        for place, unit in enumerate(units):
            advance(place, steps(unit, unit.reply, unit.request), None)
        while at:
            now, at = at, {}
            for statement, running in now.items():
                rows: dict[int, list[Row]] = {place: [] for place, _, _ in running}
                sent = [(*change.values, place) for place, _, change in running]
                for row in await self._run(statement, sent):
                    rows[row[-1]].append(row)
                for place, todo, change in running:
                    touched = rows[place]
                    if change.rows not in (len(touched), ANY_NUMBER):
                        fault = f"{statement.name} touched {len(touched)} rows, not {change.rows}"
                        raise Stale(fault)
                    advance(place, todo, touched[0] if statement.returning else None)
        return [numbers[place] for place in range(len(units))]

    async def _run(self, statement: Statement, sent: Sequence[Row]) -> list[Row]:
        """Execute a statement for each row of values, in order, in one round trip."""
        if len(sent) == 1:
            rows = await self._connection.fetch(statement.marked, *sent[0], timeout=STEP_S)
        else:
            rows = await self._connection.fetchmany(statement.marked, sent, timeout=STEP_S)
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
        spare = new = await dial(self._dsn, self._name)
        try:
            if await new.fetchval(_READ_ONLY, timeout=STEP_S) == "on":
                # Amid a fail-over the address may lead to a standby.
                raise asyncpg.ReadOnlySQLTransactionError("it only reads")
            async with self._in_batch:
                # Where the old one was lost meanwhile, `_come_back` has to find out first.
                if self._connection is old:
                    self._use(new)
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
                connection = await dial(self._dsn, self._name)
                await connection.execute(_END, last, self._name, timeout=STEP_S)
                await self._find_out(connection)
            except REFUSED as e:
                log.debug("writer_away", error=str(e))
                if connection is not None:
                    connection.terminate()
                await asyncio.sleep(AGAIN_S)
            else:
                log.info("writer_back")
                self._use(connection)
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


def _numbered(unit: Work) -> list[str]:
    """The rooms of the events that the database numbers, in order."""
    return [told.room for told in unit.told if told.kept and told.seq is None]


def _waves(units: Iterable[Work]) -> list[list[Work]]:
    """Units that may be mixed, wave after wave.

    Those that share a hot copy keep their order. One without any says nothing about what it
    touches: it keeps its place among all.
    """
    waves: list[list[Work]] = []
    seen: dict[Copy[Any], int] = {}
    floor = 0
    for unit in units:
        copies = [copy for copy, _ in unit.copies]
        place = max([floor, *(seen.get(copy, -1) + 1 for copy in copies)])
        if not copies:
            place = len(waves)
            floor = place + 1
        if place == len(waves):
            waves.append([])
        waves[place].append(unit)
        seen.update(dict.fromkeys(copies, place))
    return waves
