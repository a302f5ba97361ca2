"""Handlers of what a load generator says. Nothing is stored."""

from typing import Final

from protocol import codec
from protocol.message import Spec, spec_of
from server.conformance.messages import (
    Accepted,
    Attacked,
    Broadcast,
    Echo,
    EnterRoom,
    RelayStrike,
    RoomMessage,
    StrikeResult,
)
from server.gateway import Context, Gateway, handles
from server.transport import rfc6455
from server.transport.outbox import Frame

_ACCEPTED: Final = Accepted()
_STRUCK: Final = StrikeResult(ok=True, hp=87)
_MESSAGE: Final = spec_of(RoomMessage)
_ATTACKED: Final = spec_of(Attacked)


def _bare(spec: Spec, room: str, data: bytes) -> Frame:
    """An event without its metadata, as a generator expects it of any server."""
    assert spec.delivery is not None
    packet = b'42["%b",%b]' % (spec.name.encode(), data)
    written = rfc6455.encode(packet)
    return Frame(spec.name, room, spec.delivery, None, written, data, b"", len(packet))


@handles(EnterRoom)
def join(ctx: Context, command: EnterRoom) -> Accepted:
    """Subscribe."""
    ctx.service(Gateway).rooms.enter(ctx.connection, command.room)
    return _ACCEPTED


@handles(Echo)
def echo(ctx: Context, command: Echo) -> Echo:
    """The same."""
    return command


@handles(Broadcast)
def broadcast(ctx: Context, command: Broadcast) -> Accepted:
    """Tell the room."""
    ctx.service(Gateway).rooms.publish_frame(
        _bare(_MESSAGE, command.room, codec.encode(command.msg))
    )
    return _ACCEPTED


@handles(RelayStrike)
def attack(ctx: Context, command: RelayStrike) -> StrikeResult:
    """Tell the room, then the attacker."""
    ctx.service(Gateway).rooms.publish_frame(_bare(_ATTACKED, command.room, codec.encode(command)))
    return _STRUCK
