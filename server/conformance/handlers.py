"""Handlers of what a load generator says. Nothing is stored."""

from typing import Final

from protocol import codec
from protocol.message import spec_of
from server.conformance.messages import (
    Accepted,
    Attack,
    Attacked,
    Broadcast,
    Echo,
    Join,
    Message,
    Struck,
)
from server.gateway import Context, Gateway, handles

_ACCEPTED: Final = Accepted()
_STRUCK: Final = Struck(ok=True, hp=87)
_MESSAGE: Final = spec_of(Message)
_ATTACKED: Final = spec_of(Attacked)


@handles(Join)
def join(ctx: Context, command: Join) -> Accepted:
    """Subscribe."""
    ctx.part(Gateway).rooms.enter(ctx.connection, command.room)
    return _ACCEPTED


@handles(Echo)
def echo(ctx: Context, command: Echo) -> Echo:
    """The same."""
    return command


@handles(Broadcast)
def broadcast(ctx: Context, command: Broadcast) -> Accepted:
    """Tell the room."""
    ctx.part(Gateway).rooms.pass_on(_MESSAGE, command.room, codec.encode(command.msg))
    return _ACCEPTED


@handles(Attack)
def attack(ctx: Context, command: Attack) -> Struck:
    """Tell the room, then the attacker."""
    ctx.part(Gateway).rooms.pass_on(_ATTACKED, command.room, codec.encode(command))
    return _STRUCK
