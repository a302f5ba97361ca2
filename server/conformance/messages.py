"""What a load generator says, and what it is told: a registry of its own.

The names have no domain, and answers and events come without envelope and metadata, so that a
generator can be pointed at any server of Socket.IO. Types, permissions, limits (a million times
wider) and metrics are those of every other message.
"""

from typing import Annotated, Any, Final

import msgspec

from protocol.ids import MAX_SAFE
from protocol.message import KEPT, Command, Event, Limit, Rates, Registry
from protocol.permissions import Permission

REGISTRY: Final = Registry(dotted=False)
SCALE: Final = 1_000_000
"""What all rates are multiplied by."""


def scaled(rates: Rates) -> Rates:
    """Rates that no load reaches."""
    return {limit: (rate * SCALE, burst * SCALE) for limit, (rate, burst) in rates.items()}


RoomName = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Word = Annotated[str, msgspec.Meta(max_length=100)]
Number = Annotated[int, msgspec.Meta(ge=-MAX_SAFE, le=MAX_SAFE)]
Padding = Annotated[str, msgspec.Meta(max_length=1_000_000)]
Position = Annotated[list[float], msgspec.Meta(min_length=3, max_length=3)]


class Fighter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody in a state."""

    id: Word
    hp: Number
    pos: Position


class Accepted(msgspec.Struct, frozen=True):
    """It was done."""

    ok: bool = True


class Echoed(msgspec.Struct, frozen=True):
    """The object that was sent."""


class StrikeResult(msgspec.Struct, frozen=True):
    """It was done, and what is left of whom it hit."""

    ok: bool
    hp: int


@REGISTRY.command("join", permission=Permission.PLAY, limit=Limit.ROOM)
class EnterRoom(Command[Accepted], frozen=True):
    """Be told what is told in a room."""

    room: RoomName


@REGISTRY.command("echo", permission=Permission.PLAY, limit=Limit.ACTION)
class Echo(Command[Echoed], frozen=True, omit_defaults=True):
    """Get the same back: a state of a game, as a generator makes it up.

    `t`: when it was sent; `pad`: makes it as large as wanted.
    """

    t: Word | None = None
    seq: Number | None = None
    type: Word | None = None
    battle: Word | None = None
    player: Fighter | None = None
    fx: Annotated[list[Word], msgspec.Meta(max_length=16)] | None = None
    pad: Padding | None = None


@REGISTRY.command("bcast", permission=Permission.PLAY, limit=Limit.ACTION)
class Broadcast(Command[Accepted], frozen=True):
    """Tell a room something."""

    room: RoomName
    msg: dict[str, Any]


@REGISTRY.command("attack", permission=Permission.PLAY, limit=Limit.ACTION)
class RelayStrike(Command[StrikeResult], frozen=True, kw_only=True, omit_defaults=True):
    """Tell a room a strike, as it was made, and hear what is left."""

    t: Word | None = None
    from_: Number | None = msgspec.field(default=None, name="from")
    n: Number | None = None
    room: RoomName
    battle_id: Word | None = None
    enemy_id: Number | None = None
    kind: Word | None = None
    pad: Padding | None = None


@REGISTRY.event("msg", delivery=KEPT)
class RoomMessage(Event, frozen=True):
    """What somebody has told a room: the object that was sent."""


@REGISTRY.event("attack", delivery=KEPT)
class Attacked(Event, frozen=True):
    """A strike: the object that was sent."""
