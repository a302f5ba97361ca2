"""The gateway's own messages: rooms and renewal."""

from protocol.errors import forbidden
from protocol.gateway import Joined, JoinRoom, LeaveRoom, Renew, Renewed
from protocol.message import Done
from server.gateway.context import Context
from server.gateway.gateway import Gateway
from server.gateway.handler_registry import handles


@handles(JoinRoom)
async def join(ctx: Context, query: JoinRoom) -> Joined:
    """Subscribe, with a verdict; events follow it."""
    verdict = await ctx.service(Gateway).rooms.join(ctx.connection, query)
    ctx.after_reply(verdict.release)
    return verdict.reply


@handles(LeaveRoom)
def leave(ctx: Context, query: LeaveRoom) -> Done:
    """Unsubscribe."""
    ctx.service(Gateway).rooms.leave(ctx.connection, query.room)
    return Done()


@handles(Renew)
async def renew(ctx: Context, query: Renew) -> Renewed:
    """Put a fresh token of the same person under the connection."""
    gateway = ctx.service(Gateway)
    identity = await gateway.authenticate({"token": query.token})
    if identity.id != ctx.user.id:
        raise forbidden("the token belongs to another user")
    gateway.rights.renew(ctx.connection, identity)
    assert identity.expires_at_ms is not None
    return Renewed(expires_in_s=max(0, (identity.expires_at_ms - ctx.now) // 1000))
