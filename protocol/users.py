"""Users, as administrators see and change them."""

from typing import Annotated, Final

import msgspec

from protocol import rooms
from protocol.auth import AuthReason, Email, Username
from protocol.errors import Code, ErrorReason
from protocol.ids import Id
from protocol.message import KEPT, Command, Done, Event, Limit, Query, command, event, query
from protocol.pages import Cursor, Page, PageSize
from protocol.permissions import Permission, Role
from protocol.rooms import Room, snapshot_of
from protocol.secret import Secret
from protocol.text import CONTROLS

user_room: Final = rooms.keyed(
    "user", Permission.ADMINISTER, "One user: role, e-mail address, disabled or not."
)

_SEARCH: Final = rf"^[^{CONTROLS}]*$(?!\n)"

NAME_REST_DAYS: Final = 90
"""How long the username of a deleted user stays reserved: stored events still contain it."""

Search = Annotated[str, msgspec.Meta(max_length=254, pattern=_SEARCH)]


@snapshot_of("user")
class UserView(msgspec.Struct, frozen=True):
    """A user. Snapshot of the room `user:<id>`. `user_id` is also the id of the user's player."""

    user_id: str
    username: str
    email: str | None
    role: Role
    disabled: bool
    created_at: str


class UserReason(ErrorReason):
    """The reasons of unique names and addresses, and of the last administrator."""

    USERNAME_TAKEN = "username_taken", Code.CONFLICT
    USERNAME_RESERVED = "username_reserved", Code.CONFLICT
    EMAIL_TAKEN = "email_taken", Code.CONFLICT
    LAST_ADMIN = "last_admin"


ROUTE_REFUSES: Final[dict[str, tuple[ErrorReason, ...]]] = {
    "POST /api/auth/register": (
        AuthReason.REGISTRATION_CLOSED,
        UserReason.USERNAME_TAKEN,
        UserReason.USERNAME_RESERVED,
        UserReason.EMAIL_TAKEN,
    ),
}
"""The reasons of the REST routes, like `refuses` of a command. Other routes have no reasons."""


@query("users.list", permission=Permission.ADMINISTER)
class ListUsers(Query[Page[UserView]], frozen=True):
    """Users by username. `search` is a part of the username or e-mail address, in any case."""

    search: Search = ""
    role: Role | None = None
    limit: PageSize = 50
    cursor: Cursor | None = None


@query("users.get", permission=Permission.ADMINISTER)
class GetUser(Query[UserView], frozen=True):
    """One user."""

    user_id: Id


@command(
    "users.create",
    permission=Permission.ADMINISTER,
    limit=Limit.RARE,
    audit="user_id",
    refuses=(
        UserReason.USERNAME_TAKEN,
        UserReason.EMAIL_TAKEN,
    ),
)
class CreateUser(Command[UserView], frozen=True):
    """Create a user, also while registration is closed, and also with a reserved name."""

    username: Username
    password: Secret
    email: Email | None = None
    role: Role = Role.PLAYER


@command(
    "users.update",
    permission=Permission.ADMINISTER,
    limit=Limit.RARE,
    audit="user_id",
    refuses=(
        UserReason.LAST_ADMIN,
        UserReason.EMAIL_TAKEN,
    ),
)
class UpdateUser(Command[UserView], frozen=True):
    """Change the given fields of a user. An `email` of null removes the address.

    A new role closes the connections of the user; a refresh returns a token with the new role. A
    new password ends all log-ins.
    """

    user_id: Id
    role: Role | None = None
    email: Email | msgspec.UnsetType | None = msgspec.UNSET
    password: Secret | None = None


@command(
    "users.disable",
    permission=Permission.ADMINISTER,
    limit=Limit.ACTION,
    audit="user_id",
    refuses=(UserReason.LAST_ADMIN,),
)
class DisableUser(Command[UserView], frozen=True):
    """Disable a user: the server ends all log-ins and closes all connections."""

    user_id: Id


@command("users.enable", permission=Permission.ADMINISTER, limit=Limit.ACTION, audit="user_id")
class EnableUser(Command[UserView], frozen=True):
    """Enable a disabled user. The user has to log in again."""

    user_id: Id


@command(
    "users.delete",
    permission=Permission.ADMINISTER,
    limit=Limit.ACTION,
    audit="user_id",
    refuses=(UserReason.LAST_ADMIN,),
)
class DeleteUser(Command[Done], frozen=True):
    """Delete a user permanently, with log-ins, player and seat. The e-mail address is free at
    once; the username stays reserved for 90 days (`username_taken`).

    The logs of battles and the ledger stay. The ledger books out the possessions of the player.
    """

    user_id: Id


@event("users.changed", delivery=KEPT)
class UserChanged(Event, frozen=True, kw_only=True):
    """The user after a change."""

    user: UserView

    def room(self) -> Room:
        """The user's room."""
        return user_room(self.user.user_id)


@event("users.deleted", delivery=KEPT)
class UserDeleted(Event, frozen=True, kw_only=True):
    """The user was deleted. It is the last event of the room, which can't be joined again."""

    user_id: Id

    def room(self) -> Room:
        """The user's room."""
        return user_room(self.user_id)
