"""What whoever administers asks and does about people: it decides who may come in."""

from typing import TypeVar

import msgspec

from protocol.errors import invalid
from protocol.message import Done
from protocol.pages import Page
from protocol.users import (
    CreateUser,
    DeleteUser,
    DisableUser,
    EnableUser,
    GetUser,
    ListUsers,
    UpdateUser,
    UserView,
)
from server.auth.people import Changed, People
from server.auth.rights import EndedRights, Rights
from server.database import Work
from server.gateway import CommitHandle, Context, handles
from server.users import Users

R = TypeVar("R", bound=msgspec.Struct)


@handles(ListUsers)
async def list_users(ctx: Context, query: ListUsers) -> Page[UserView]:
    """People by username."""
    users = ctx.service(Users)
    return await users.page(query.search, query.role, query.limit, query.cursor)


@handles(GetUser)
async def get(ctx: Context, query: GetUser) -> UserView:
    """One person."""
    return (await ctx.service(People).find(query.user_id)).view


@handles(CreateUser)
async def create(ctx: Context, cmd: CreateUser) -> CommitHandle[UserView]:
    """Add a person."""
    people, work = ctx.service(People), ctx.work()
    hashing = people.hashing(cmd.password, ctx.connection.network)
    user = await people.add(work, cmd.username, hashing, cmd.role, cmd.email, ctx.now)
    return ctx.commit(work, user.view)


@handles(UpdateUser)
async def update(ctx: Context, cmd: UpdateUser) -> CommitHandle[UserView]:
    """Change role, e-mail address or password."""
    if cmd.role is None and cmd.email is msgspec.UNSET and cmd.password is None:
        raise invalid("role", "role, email or password is required")
    people = ctx.service(People)
    user, work = await people.find(cmd.user_id), ctx.work()
    network = ctx.connection.network
    changed = await people.update(
        work, user, role=cmd.role, email=cmd.email, password=cmd.password, network=network
    )
    return _commit(ctx, work, changed.ended, changed.user.view)


@handles(DisableUser)
async def disable(ctx: Context, cmd: DisableUser) -> CommitHandle[UserView]:
    """Keep a person out."""
    people, work = ctx.service(People), ctx.work()
    changed = await people.disable(work, await people.find(cmd.user_id))
    return _commit(ctx, work, changed.ended, changed.user.view)


@handles(EnableUser)
async def enable(ctx: Context, cmd: EnableUser) -> CommitHandle[UserView]:
    """Let a person in again."""
    people, work = ctx.service(People), ctx.work()
    changed: Changed = people.enable(work, await people.find(cmd.user_id))
    return _commit(ctx, work, changed.ended, changed.user.view)


@handles(DeleteUser)
async def delete(ctx: Context, cmd: DeleteUser) -> CommitHandle[Done]:
    """Delete a person."""
    people, work = ctx.service(People), ctx.work()
    ended = await people.delete(work, await people.find(cmd.user_id), ctx.now)
    return _commit(ctx, work, ended, Done())


def _commit(ctx: Context, work: Work, ended: EndedRights | None, reply: R) -> CommitHandle[R]:
    """Commit, and close the user's connections with it: the caller's own one after the reply."""
    if ended is not None:
        rights = ctx.service(Rights)
        rights.add(work, ended, ctx.now, spared=ctx.connection)
        # With the commit, not after it: the caller may be gone by then.
        work.on_commit(rights.look_soon)
    return ctx.commit(work, reply)
