"""A unit of work as data: what it changes, what it tells, what it answers, and its statements.

Everything is decided before it is queued; the writer only carries it out.
"""

from collections.abc import Callable, Generator
from functools import cache
from typing import Any, Final, Self

import msgspec

from protocol import actors, codec, rooms
from protocol.message import KEPT, Delivery, spec_of
from protocol.message import Event as Message
from protocol.permissions import OVER_OTHERS
from server.database.state_cache import Entry
from server.database.statement import Row, Statement
from server.runtime.background import CannotContinue
from server.runtime.correlation import CorrelationId
from server.runtime.log import logger

log = logger("database")

MAX_ROWS: Final = 500
MAX_REPLY_BYTES: Final = 16_000
ANY_NUMBER: Final = -1
"""For a statement that may touch any number of rows."""


class Stale(Exception):
    """What the decision was made on has changed since: read again, decide again."""


class Unavailable(Exception):
    """The database did not answer, or did not commit: the outcome may be unknown."""


class DatabaseGone(CannotContinue):
    """The database that was opened is no longer where it was: what is committed would be lost."""


class Change(msgspec.Struct, frozen=True, gc=False):
    """A statement, its values, and the number of rows it must touch."""

    statement: Statement
    values: tuple[Any, ...]
    rows: int
    __repr__ = object.__repr__  # a value may be a hash of a password


Key = tuple[str, str]


class Request(msgspec.Struct, frozen=True, gc=False):
    """Who asked for the unit and under which id, and the digest of what was asked.

    `key` names it: no two are committed with the same.
    """

    key: Key
    digest: str


class OutgoingEvent(msgspec.Struct, frozen=True, gc=False):
    """An event on its way: into the history, when it is kept, and then to its room.

    `kept`: whether it is numbered and stays in the history. `seq` is given where the room's log is
    the state itself; elsewhere the writer numbers it. `actor`: who set it off; None unless kept.
    """

    name: str
    delivery: Delivery
    kept: bool
    room: str
    data: bytes
    at: str
    seq: int | None
    actor: str | None

    @classmethod
    def of(cls, event: Message, at: str, seq: int | None = None, actor: str | None = None) -> Self:
        """An event of a moment. One that is kept and has no actor is of the server: of its domain.

        Raises ValueError for one of a log without its number.
        """
        spec = spec_of(type(event))
        delivery = spec.delivery
        assert delivery is not None
        if seq is None and event.in_log:
            raise ValueError(f"{spec.name} is an event of a log: whoever decides it numbers it")
        name, kept = spec.name, delivery is KEPT
        if not kept:
            actor = None
        elif actor is None:
            actor = _server_of(name)
        return cls(name, delivery, kept, event.room(), codec.encode(event), at, seq, actor)


@cache
def _server_of(name: str) -> str:
    """The actor of an event that the server sets off by itself: the domain that it is of."""
    return actors.server(name.partition(".")[0])


def _is_of_operators(room: str) -> bool:
    """Whether a room's members may know who acted on others: only operators may."""
    kind = rooms.parse(room)
    return kind is not None and kind[0].permission in OVER_OTHERS


OnComplete = Callable[[Exception | None], None]
"""Called with None once a unit is committed and published, else with Stale or Unavailable."""


class Work(msgspec.Struct, eq=False):
    """A unit of work, as a handler makes it; then it waits to be committed.

    `reply`, `request`, `correlation_id` and `on_complete` (called once) are set when it is
    queued. `guards`: its first so many changes only make sure that its caller may still do this.

    `actor` is recorded with its kept events: who acts, None for the server by itself. `on_others`:
    the actor acts on others (`OVER_OTHERS`). Events of rooms whose audience does not do so itself
    have the server in its place: players are not shown who deleted a user.
    """

    at: str
    changes: list[Change] = []
    events: list[OutgoingEvent] = []
    entries: list[tuple[Entry[Any], Any]] = []
    after_commit: list[Callable[[], None]] = []
    reply: bytes = b""
    request: Request | None = None
    correlation_id: CorrelationId | None = None
    guards: int = 0
    actor: str | None = None
    on_others: bool = False
    on_complete: OnComplete | None = None
    __repr__ = object.__repr__

    def change(self, statement: Statement, /, *, rows: int = 1, **values: Any) -> None:
        """Carry out a statement that must touch just so many rows, or the unit is stale."""
        self._add(Change(statement, statement.values(values), rows))

    def save(self, statement: Statement, record: object) -> None:
        """Carry out a statement that must touch one row, with a record's fields for its values."""
        self._add(Change(statement, statement.fields(record), 1))

    def _add(self, change: Change) -> None:
        if len(self.changes) == MAX_ROWS:
            raise ValueError(f"a unit of work holds at most {MAX_ROWS} statements")
        self.changes.append(change)

    def guard(self, changes: list[Change]) -> None:
        """Put conditions before all else: they hold what they check until the unit is committed."""
        self.changes = [*changes, *self.changes]
        self.guards += len(changes)

    def ahead(self) -> "Work":
        """A unit that has to be committed before this one: under the same guards."""
        return Work(self.at, self.changes[: self.guards], guards=self.guards)

    def publish(self, event: Message, *, seq: int | None = None) -> None:
        """Publish an event once the unit is committed."""
        actor = self.actor
        if self.on_others and not _is_of_operators(event.room()):
            actor = None
        self.events.append(OutgoingEvent.of(event, self.at, seq, actor))

    def on_commit(self, call: Callable[[], None]) -> None:
        """Call something once the unit is committed, before its events are published."""
        self.after_commit.append(call)

    def swap(self, entry: Entry[Any], state: Any) -> None:
        """Put a new state in the place of a cached entry. It stands once the unit is committed."""
        self.entries.append((entry, state))

    # ---- once it is queued

    def complete(self, fault: Exception | None) -> None:
        """Call `on_complete`, once."""
        on_complete, self.on_complete = self.on_complete, None
        if on_complete is not None:
            try:
                on_complete(fault)
            except Exception:
                log.exception("settling_failed")

    @property
    def is_stale(self) -> bool:
        """Whether a unit that it was decided on has failed."""
        for entry, _ in self.entries:  # noqa: SIM110 - for every unit; `any` costs as much again
            if entry.broken:
                return True
        return False

    def invalidate(self) -> None:
        """Make every unit that was decided on top of this one stale."""
        for entry, _ in self.entries:
            entry.broken = True


_OPEN_LOG: Final = Statement(
    "history.open_log",
    "insert into room_events (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " select :room, cast(:seq as bigint), :who, :request_id, :digest, :reply, :at, :name, :data,"
    " :actor"
    " where not exists (select 1 from kept_replies where who = :who and request_id = :request_id)",
)
_APPEND: Final = Statement(
    "history.append",
    "insert into room_events (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " select :room, cast(:seq as bigint), :who, :request_id, :digest, :reply, :at, :name, :data,"
    " :actor"
    " from room_events where room = :room and seq = cast(:seq as bigint) - 1 and not exists"
    " (select 1 from kept_replies where who = :who and request_id = :request_id)",
    sqlite="insert into room_events"
    " (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " values (:room,"
    "  (select seq + 1 from room_events where room = :room and seq = cast(:seq as bigint) - 1"
    "   and not exists"
    "   (select 1 from kept_replies where who = :who and request_id = :request_id)),"
    "  :who, :request_id, :digest, :reply, :at, :name, :data, :actor)",
)
"""No row where the one before it is missing, or the request was answered.

On SQLite no number, and so no row: it carries out `insert into room_events select ... from
room_events` by way of a table of its own making, which takes nearly twice the time.
"""

NUMBER: Final = Statement(
    "history.number",
    "insert into room_numbers (room, seq, first_kept) values (:room, :count, 1)"
    " on conflict (room) do update set seq = room_numbers.seq + :count"
    " returning seq",
)
"""Takes the next numbers of a room, so many at once. Returns the last of them."""

_APPEND_NUMBERED: Final = Statement(
    "history.append_numbered",
    "insert into room_events (room, seq, at, name, data, actor)"
    " values (:room, :seq, :at, :name, :data, :actor)",
)
_KEEP_REPLY: Final = Statement(
    "history.keep_reply",
    "insert into kept_replies (who, request_id, digest, reply, at)"
    " select :who, :request_id, :digest, :reply, :at"
    " where not exists (select 1 from room_events where who = :who and request_id = :request_id)",
)

_NOBODY: Final = (None, None, None, None)

Numbers = tuple[int, ...]
"""The numbers that the kept events of a unit were given, in order."""

UnitStatements = Generator[Change, Row | None, Numbers]
"""Yields what to carry out, is sent the row that this returned (None where none), and ends with
the numbers."""


def unit_statements(work: Work) -> UnitStatements:
    """The statements of a unit: all that it changes, its kept events, the reply that it keeps.

    A kept event is one row, numbered within its room without a gap. Where the log of a room is the
    state itself (a battle), the number comes from the decision and its predecessor must be there:
    a decision on an older state writes no row. Elsewhere the room has a row in `room_numbers` that
    gives the next number and holds back all others that number the same room.
    """
    reply, request = work.reply, work.request
    for change in work.changes:  # noqa: UP028 - a list takes no rows that are sent to it
        yield change
    numbers: list[int] = []
    for event in work.events:
        if not event.kept:
            continue
        content = event.at, event.name, event.data.decode(), event.actor
        if event.seq is None:
            row = yield Change(NUMBER, (event.room, 1), 1)
            assert row is not None
            number = int(row[0])
            yield Change(_APPEND_NUMBERED, (event.room, number, *content), 1)
        else:
            number = event.seq
            asked = _NOBODY if request is None else (*request.key, request.digest, reply.decode())
            request = None  # it stands in one row
            statement = _OPEN_LOG if number == 1 else _APPEND
            yield Change(statement, (event.room, number, *asked, *content), 1)
        numbers.append(number)
    if request is not None:
        kept = (*request.key, request.digest, reply.decode(), work.at)
        yield Change(_KEEP_REPLY, kept, 1)
    return tuple(numbers)
