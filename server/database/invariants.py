"""Invariants: what must always be true of the stored data, and checking it.

Each domain has those of its rows in its `invariants.py`, and `domains.py` has the list of all. A
check is one statement: the database finds and counts the violating rows, so that a million rows
cost this process no memory. Where SQL can't tell, a check reads page by page.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from protocol.message import Event, find
from server.database.connect import reading
from server.database.read_connection import Reading
from server.database.revisions import known_revisions, revision
from server.database.statement import Statement
from server.runtime.clock import SystemClock

EXAMPLES: Final = 5


class CheckResult(NamedTuple):
    """In how many places an invariant is violated, and some of them: ids and numbers, no secret."""

    places: int
    examples: tuple[str, ...] = ()


Check = Callable[[Reading], Awaitable[CheckResult]]


class Invariant(NamedTuple):
    """Something that is true after every commit. `name`: `domain.what`. `says`: all of it."""

    name: str
    says: str
    check: Check


class Violation(msgspec.Struct, frozen=True):
    """An invariant that does not hold."""

    invariant: str
    says: str
    count: int
    examples: tuple[str, ...]


def rows(statement: Statement, place: str, **given: Any) -> Check:
    """The check of a statement that gives the violating rows, `:most` of them at most.

    A row's last column is how many there are in all (`count(*) over ()`); `place` is the format of
    the others.
    """

    async def check(reading: Reading) -> CheckResult:
        found = await reading.all(statement, most=EXAMPLES, **given)
        count = int(found[0][-1]) if found else 0
        return CheckResult(count, tuple(place.format(*row) for row in found))

    return check


async def verify(url: str, invariants: Sequence[Invariant]) -> list[Violation]:
    """Check a database at one moment, also beside a running server. Changes nothing.

    Raises ConnectionError where it can't be read, ValueError where its tables are of another
    version.
    """
    async with reading(url, SystemClock()) as moment:
        return [
            Violation(invariant.name, invariant.says, *found)
            for invariant in invariants
            if (found := await invariant.check(moment)).places
        ]


def check_revision(url: str) -> None:
    """Raise ValueError where the tables are not at this version's revision.

    Blocks. Raises ConnectionError.
    """
    found, newest = revision(url), known_revisions()[0]
    if found != newest:
        raise ValueError(f"the tables are at {found or 'no revision'}, this version's at {newest}")


# ---- of the history and the replies

_EPOCH: Final = Statement(
    "history.check_epoch",
    "select room, count(*) over () from room_events"
    " where not exists (select 1 from facts where name = 'epoch') limit :most",
)
_NUMBERS: Final = Statement(
    "history.check_numbers",
    # Grouped, not joined: no planner knows how many rooms there are.
    "select room, max(first_kept), max(numbered), coalesce(min(oldest), max(numbered) + 1),"
    " coalesce(max(newest), max(numbered)), count(*) over () from ("
    "  select room, first_kept, seq as numbered, cast(null as bigint) as oldest,"
    "   cast(null as bigint) as newest from room_numbers union all"
    "  select room, null, null, min(seq), max(seq) from room_events group by room) as rooms"
    " group by room having max(first_kept) <> coalesce(min(oldest), max(numbered) + 1)"
    " or max(numbered) <> coalesce(max(newest), max(numbered)) order by room limit :most",
)
_HOLES: Final = Statement(
    "history.check_holes",
    "select room, min(seq), max(seq), count(*), count(*) over () from room_events"
    " group by room having max(seq) - min(seq) + 1 <> count(*) order by room limit :most",
)
_FIRST_EVENTS: Final = Statement(
    "history.check_first_events",
    "select e.name, n.room is null, count(*), min(e.room) from"
    " (select room, min(seq) as seq from room_events group by room) f"
    " join room_events e on e.room = f.room and e.seq = f.seq"
    " left join room_numbers n on n.room = f.room"
    " group by e.name, n.room is null order by e.name",
)
_REPLIES: Final = Statement(
    "history.check_replies",
    "select who, request_id, count(*), count(*) over () from"
    " (select who, request_id from kept_replies union all"
    "  select who, request_id from room_events where request_id is not null) as kept"
    " group by who, request_id having count(*) > 1 order by who, request_id limit :most",
)


async def _check_numbering(reading: Reading) -> CheckResult:
    """Only the registry knows which events are of logs. One event a room tells its kind."""
    count, examples = 0, []
    for name, unnumbered, of, room in await reading.all(_FIRST_EVENTS):
        spec = find(name)
        if spec is None:  # an older version's: whatever it was, it is only history
            continue
        assert issubclass(spec.type, Event)
        if spec.type.in_log != bool(unnumbered):
            count += of
            examples.append(f"room {room} begins with {name}")
    return CheckResult(count, tuple(examples[:EXAMPLES]))


HISTORY: Final = (
    Invariant(
        "history.epoch",
        "where events are kept, their numbering has a name",
        rows(_EPOCH, "room {}"),
    ),
    Invariant(
        "history.numbers",
        "a room's numbers are those of its oldest and its newest kept event",
        rows(_NUMBERS, "room {}: numbers {} to {}, events {} to {}"),
    ),
    Invariant(
        "history.no_holes",
        "no event is missing between a room's oldest and its newest kept one",
        rows(_HOLES, "room {}: {} to {} are {} events"),
    ),
    Invariant(
        "history.numbering",
        "a room has a row of numbers unless its log is the state itself",
        _check_numbering,
    ),
    Invariant(
        "history.replies",
        "one reply is kept for a request",
        rows(_REPLIES, "user {}, request {}: {} replies"),
    ),
)
