"""A unit of work as data: what it changes, what it tells, what it answers.

Everything is decided before it is queued; the writer only carries it out.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from protocol import codec
from protocol.message import Delivery, spec_of
from protocol.message import Event as Message
from server.database.hot import Copy
from server.database.statement import Statement

MAX_ROWS: Final = 500
MAX_REPLY_BYTES: Final = 16_000
ANY_NUMBER: Final = -1
"""For a statement that may touch any number of rows."""


class Stale(Exception):
    """What the decision was made on has changed since: read again, decide again."""


class Unavailable(Exception):
    """The database did not answer, or did not commit: the outcome may be unknown."""


class Change(NamedTuple):
    """A statement, its values, and the number of rows it must touch."""

    statement: Statement
    values: tuple[Any, ...]
    rows: int


Key = tuple[str, str]


class Request(NamedTuple):
    """Who asked for the unit, and the digest of what was asked."""

    who: str
    request_id: str
    digest: str

    @property
    def key(self) -> Key:
        """What names it: no two are committed with the same."""
        return self[:2]


class Told:
    """An event on its way: into the history, when it is kept, and then to its room.

    `kept`: whether it is numbered and stays in the history. `seq` is given where the room's log is
    the state itself; elsewhere the writer numbers it.
    """

    __slots__ = ("at", "data", "delivery", "kept", "name", "room", "seq")

    def __init__(self, event: Message, at: str, seq: int | None = None) -> None:
        spec = spec_of(type(event))
        assert spec.delivery is not None
        if event.in_log and seq is None:
            raise ValueError(f"{spec.name} is an event of a log: whoever decides it numbers it")
        self.name = spec.name
        self.delivery = spec.delivery
        self.kept = spec.delivery is Delivery.KEPT
        self.room: str = event.room()
        self.data = codec.encode(event)
        self.at = at
        self.seq = seq


class Work:
    """A unit of work, as a handler makes it."""

    __slots__ = ("after", "at", "changes", "copies", "told")

    def __init__(self, at: str) -> None:
        self.at = at
        self.changes: list[Change] = []
        self.told: list[Told] = []
        self.copies: list[tuple[Copy[Any], Any]] = []
        self.after: list[Callable[[], None]] = []

    def change(self, statement: Statement, /, *, rows: int = 1, **values: Any) -> None:
        """Carry out a statement that must touch just so many rows, or the unit is stale."""
        if len(self.changes) == MAX_ROWS:
            raise ValueError(f"a unit of work holds at most {MAX_ROWS} statements")
        self.changes.append(Change(statement, statement.values(values), rows))

    def tell(self, event: Message, *, seq: int | None = None) -> None:
        """Publish an event once the unit is committed."""
        self.told.append(Told(event, self.at, seq))

    def then(self, call: Callable[[], None]) -> None:
        """Call something once the unit is committed, before its events are told."""
        self.after.append(call)

    def replace(self, copy: Copy[Any], state: Any) -> None:
        """Put a new state in the place of a hot copy. It stands once the unit is committed."""
        self.copies.append((copy, state))
