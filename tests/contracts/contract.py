"""What a contract holds: messages, rooms, bodies and views of one domain, as tests know them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from protocol.errors import ErrorReason

if TYPE_CHECKING:
    from server.app import App
    from tests.support.stage import Doomed, Stage

UNKNOWN: Final = "01a20622-9de7-7967-8b71-288684b33bd5"
"""The id of nothing that there is."""
SOMEBODY_NEW: Final = "somebody-new"
"""A username that is taken once it was used."""
OWN_TOKEN: Final = "<the caller's access token>"

State = dict[str, Any]
Fold = Callable[[State, str, dict[str, Any]], Any]
"""What a state is after an event; None where there is nothing any more."""

Provoke = Callable[["Stage"], Awaitable["Doomed"]]
"""Makes it so that a message is refused for one reason. Returns who sends it, and its fields."""
ProvokeRoute = Callable[["Stage"], Awaitable[object]]
"""Makes it so that a route of REST refuses for one reason, and asks. Raises Failure."""


@dataclass(frozen=True)
class Needs:
    """One command or query.

    `permission` is the one it asks for; `data` looks right; each of `wrong` in the place of its
    field does not, and is `invalid` with that field; `refused` provokes each reason that it
    declares.
    """

    permission: str
    data: Mapping[str, Any]
    wrong: Mapping[str, Any] = field(default_factory=dict)
    refused: Mapping[ErrorReason, Provoke] = field(default_factory=dict)


class About(NamedTuple):
    """What rooms are about: a player, and a battle."""

    player_id: str
    battle_id: str


EVERYBODY: Final = ("owner", "other", "viewer", "service")
"""Who may ask for a room: its player, another one, somebody who only reads, a service."""


@dataclass(frozen=True)
class RoomNeeds:
    """One kind of room.

    `permission` is the one to join; `room` the name of one; `event` will be told there once its
    player fights and is changed; `open_to` are those of EVERYBODY who may join it, and `missing` is
    what all others are told. `listener` is who may hear the event: a "player", the "owner" or an
    "admin".

    `fold` says what a client makes of its kept events, None where nothing is kept there; `before`
    is the state before its first event, where that is told; `passing` are fields of the state that
    change while nothing happens.
    """

    permission: str
    room: Callable[[About], str]
    event: str
    open_to: tuple[str, ...]
    missing: str = "no such room"
    listener: str = "player"
    fold: Fold | None = None
    before: State | None = None
    passing: frozenset[str] = frozenset()


class Body(NamedTuple):
    """The body of a route of REST: its type, and data that looks right."""

    type: type[msgspec.Struct]
    data: dict[str, Any]


@dataclass(frozen=True)
class Act:
    """A command that an admin sends so that kept events of the domain happen."""

    name: str
    data: Mapping[str, Any]


Tick = Callable[["App"], Awaitable[None]]
"""Does once what a service of the domain does when time has passed. Raises Unavailable."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """One domain.

    `views`: those of the page, by name, each with the test id to wait for before it is looked at;
    None where tests/browser/test_views.py opens it in a test of its own. `acts`: commands that an
    admin sends so that the kept events of rooms that there is one of happen; `tick`: what time does
    there. tests/store/test_law.py compares snapshots with the events after them, and
    tests/events/test_rooms_foreign.py listens without permission. `asked_with`: texts, by message
    and path, that are only compared with stored ones; `shown`: the fields that other users see.
    `unaudited`: commands over others that are not in the audit log, each with the reason.
    """

    messages: Mapping[str, Needs] = field(default_factory=dict)
    rooms: Mapping[str, RoomNeeds] = field(default_factory=dict)
    bodies: Mapping[str, Body] = field(default_factory=dict)
    routes_refused: Mapping[tuple[str, ErrorReason], ProvokeRoute] = field(default_factory=dict)
    views: Mapping[str, str | None] = field(default_factory=dict)
    acts: Sequence[Act] = ()
    tick: Tick | None = None
    asked_with: frozenset[tuple[str, str]] = frozenset()
    shown: frozenset[str] = frozenset()
    unaudited: Mapping[str, str] = field(default_factory=dict)
