"""Executing the units of a batch in a transaction of PostgreSQL, in few round trips.

All units are executed together. A unit that does not fit, because a statement touched another
number of rows than it must, is stale with all that was decided on top of it, and the transaction
begins anew without them. An error does not say which unit it is of: next time that is found out
where it comes up. Where units still do not fit after a few
rounds, they are executed one by one, each in a savepoint.
"""

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import asyncpg

from server.database.connect_postgres import AWAY
from server.database.round_trips import Sent, Trip, trips
from server.database.statement import Row
from server.database.work import ANY_NUMBER, NUMBER, Numbers, Stale, Work, unit_statements
from server.database.writer import Outcome

MAX_ROUNDS: Final = 5

_CHANGED: Final = (
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.TransactionRollbackError,
)
"""What says that a unit was decided on something that has changed since."""
_UNFIT: Final = (ValueError, TypeError, OverflowError)
"""A value that can't be encoded."""
_FAULTS: Final = (*_UNFIT, asyncpg.PostgresError)

Run = Callable[[str, Sequence[Row]], Awaitable[list[Row]]]
"""Executes the text of a statement for each row of values, in order, in one round trip. The last of
the values is a mark, which each row that is touched gives back as its last."""
Execute = Callable[[str], Awaitable[object]]
"""Executes what has neither values nor rows."""
BeginAgain = Callable[[], Awaitable[object]]
"""Rolls all back and begins anew."""


class _Again(Exception):
    """Together the units do not fit: those that are named, and others still where `doubtful` is
    the number of a round trip in which an error was."""

    def __init__(self, misfits: dict[Work, Exception], doubtful: int | None = None) -> None:
        self.misfits = misfits
        self.doubtful = doubtful


class Batch:
    """The units of one batch, in a transaction that has begun."""

    def __init__(
        self, units: Sequence[Work], run: Run, execute: Execute, begin_again: BeginAgain
    ) -> None:
        self._units = units
        self._run = run
        self._execute = execute
        self._begin_again = begin_again
        self._misfits: dict[Work, Exception] = {}

    async def outcomes(self) -> list[Outcome]:
        """Execute all units. Returns what becomes of each once this is committed.

        Raises what `AWAY` holds.
        """
        doubtful: int | None = None
        for _ in range(MAX_ROUNDS):
            live = self._live()
            try:
                numbers = await self._together(live, doubtful)
            except _Again as e:
                self._misfits |= e.misfits
                doubtful = e.doubtful
                await self._begin_again()
            else:
                outcomes: dict[Work, Outcome] = dict(zip(live, numbers, strict=True))
                outcomes |= self._misfits
                return [outcomes[unit] for unit in self._units]
        return await self._one_by_one()

    def _live(self) -> list[Work]:
        """The units that may fit. Of the others is said why not."""
        broken: set[object] = set()
        live: list[Work] = []
        for unit in self._units:
            if self._may_fit(unit, broken):
                live.append(unit)
            else:
                broken.update(entry for entry, _ in unit.entries)
        return live

    def _may_fit(self, unit: Work, broken: set[object]) -> bool:
        """Whether all that a unit was decided on stands. `broken`: the entries that do not."""
        if unit in self._misfits:
            return False
        if unit.is_stale or (broken and any(entry in broken for entry, _ in unit.entries)):
            self._misfits[unit] = Stale("what it was decided on has fallen")
            return False
        return True

    # ---- together

    async def _together(self, units: Sequence[Work], doubtful: int | None) -> list[Numbers]:
        """Execute units. Returns the numbers of their events. Raises _Again."""
        sent: list[Sent] = []
        try:
            taken = await self._take_numbers(units)
            numbers = [_collect(unit, taken[unit], sent) for unit in units]
            carried = trips(sent)
        except _FAULTS as e:
            if _is_away(e):
                raise
            raise _Again({}) from e
        for number, trip in enumerate(carried):
            if number == doubtful:
                await self._search(trip)
                continue
            try:
                await self._carry(trip)
            except _FAULTS as e:
                if _is_away(e):
                    raise
                if isinstance(e, asyncpg.TransactionRollbackError):
                    raise _Again({}) from e  # a deadlock with another process, which goes on now
                if len(trip[1]) > 1:
                    raise _Again({}, number) from e
                raise _Again({trip[1][0].unit: _verdict(e)}) from e
        return numbers

    async def _take_numbers(self, units: Sequence[Work]) -> dict[Work, deque[int]]:
        """Numbers for the events of units, in the order of the units: so they are published too.

        Rooms are taken in the order of their names, so that no two processes wait for each other.
        """
        wanted = {unit: _numbered(unit) for unit in units}
        counts = Counter(room for rooms in wanted.values() for room in rooms)
        sent = [(room, counts[room], mark) for mark, room in enumerate(sorted(counts))]
        rows = await self._run(NUMBER.marked, sent) if sent else []
        following = {sent[mark][0]: last - sent[mark][1] for last, mark in rows}
        taken: dict[Work, deque[int]] = {}
        for unit, rooms in wanted.items():
            taken[unit] = deque()
            for room in rooms:
                following[room] += 1
                taken[unit].append(following[room])
        return taken

    async def _carry(self, trip: Trip, text: str | None = None) -> None:
        """Execute the statements of one round trip, or another text of them.

        Raises _Again, what the database raises.
        """
        statement, sent = trip
        rows = await self._run(
            text or statement.marked,
            [(*change.values, mark) for mark, (_, change) in enumerate(sent)],
        )
        touched = [0] * len(sent)
        for row in rows:
            touched[row[-1]] += 1
        misfits: dict[Work, Exception] = {}
        for (unit, change), number in zip(sent, touched, strict=True):
            if change.rows not in (number, ANY_NUMBER):
                fault = f"{statement.name} touched {number} rows, not {change.rows}"
                misfits.setdefault(unit, Stale(fault))
        if misfits:
            raise _Again(misfits)

    async def _search(self, trip: Trip) -> None:
        """Execute the statements of a round trip in which an error was, and find those that it is
        of: by what they insert where they insert something, else by halving them.

        Raises _Again, what `AWAY` holds.
        """
        statement, sent = trip
        misfits: dict[Work, Exception] = {}
        begin, end = 0, len(sent)  # an error is between them, unless it was of another process
        await self._execute("savepoint half")
        if statement.unless_there is not None and all(c.rows != ANY_NUMBER for _, c in sent):
            try:
                return await self._carry(trip, statement.unless_there)
            except _FAULTS as e:
                if _is_away(e):
                    raise
                await self._execute("rollback to half")
        while begin < len(sent):
            half = max(1, (end - begin) // 2)
            try:
                await self._carry((statement, sent[begin : begin + half]))
            except _FAULTS as e:
                if _is_away(e):
                    raise
                await self._execute("rollback to half")
                end = begin + half
                if half == 1:
                    misfits[sent[begin].unit] = _verdict(e)
                    begin, end = end, len(sent)
            else:
                begin += half
                end = end if end > begin else len(sent)
                await self._execute("savepoint half")
        if misfits:
            raise _Again(misfits)

    # ---- one by one

    async def _one_by_one(self) -> list[Outcome]:
        """Execute all units in order. What is wrong with one harms no other."""
        broken: set[object] = set()
        outcomes: list[Outcome] = []
        await self._execute("savepoint unit")
        for unit in self._units:
            may_fit = self._may_fit(unit, broken)
            outcome = await self._alone(unit) if may_fit else self._misfits[unit]
            if isinstance(outcome, Exception):
                broken.update(entry for entry, _ in unit.entries)
            outcomes.append(outcome)
        return outcomes

    async def _alone(self, unit: Work) -> Outcome:
        sent: list[Sent] = []
        try:
            taken = await self._take_numbers([unit])
            numbers = _collect(unit, taken[unit], sent)
            for trip in trips(sent):
                await self._carry(trip)
        except (_Again, *_FAULTS) as e:
            if _is_away(e):
                raise
            await self._execute("rollback to unit")
            return e.misfits[unit] if isinstance(e, _Again) else _verdict(e)
        await self._execute("release unit; savepoint unit")
        return numbers


def _is_away(fault: Exception) -> bool:
    """Whether the database can't be asked, which says nothing of a unit."""
    return isinstance(fault, AWAY) and not isinstance(fault, ValueError)


def _verdict(fault: Exception) -> Exception:
    """What becomes of a unit that a fault is of."""
    return Stale(str(fault)) if isinstance(fault, _CHANGED) else fault


def _numbered(unit: Work) -> list[str]:
    """The rooms of the events that the database numbers, in order."""
    return [event.room for event in unit.events if event.kept and event.seq is None]


def _collect(unit: Work, taken: deque[int], sent: list[Sent]) -> Numbers:
    """Add the statements of a unit, which has taken its numbers. Returns all numbers."""
    todo = unit_statements(unit)
    row: Row | None = None
    try:
        while True:
            change = todo.send(row)
            if change.statement is NUMBER:
                row = (taken.popleft(),)
            else:
                row = None
                sent.append(Sent(unit, change))
    except StopIteration as end:
        numbers: Numbers = end.value
        return numbers
