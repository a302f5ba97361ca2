"""People, as whoever administers sees and changes them."""

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
    "user", Permission.ADMINISTER, "One person: role, e-mail, whether let in."
)

_SEARCH: Final = rf"^[^{CONTROLS}]*$(?!\n)"

NAME_REST_DAYS: Final = 90
"""How long the username of a deleted user is not given again: what was said and told of that user
still has it."""

Search = Annotated[str, msgspec.Meta(max_length=254, pattern=_SEARCH)]


@snapshot_of("user")
class UserView(msgspec.Struct, frozen=True):
    """A person. Snapshot of the person's room. `user_id` is the id of their player too."""

    user_id: str
    username: str
    email: str | None
    role: Role
    disabled: bool
    created_at: str


class UserReason(ErrorReason):
    """Names and addresses, which are unique, and the last administrator."""

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
"""What the routes of REST refuse with: as `refuses` of a command. The others have no reasons."""


@query("users.list", permission=Permission.ADMINISTER)
class ListUsers(Query[Page[UserView]], frozen=True):
    """People by username: those whose username or e-mail address contains `search`, in any case."""

    search: Search = ""
    role: Role | None = None
    limit: PageSize = 50
    cursor: Cursor | None = None


@query("users.get", permission=Permission.ADMINISTER)
class GetUser(Query[UserView], frozen=True):
    """One person."""

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
    """Add a person, whether registration is open or not, also with a name that is reserved."""

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
    """Change what is given of a person. An `email` of null takes the address away.

    Another role closes the person's connections, and refreshing gives a token with the new one. A
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
    """Keep a person out: all log-ins end, all connections are closed."""

    user_id: Id


@command("users.enable", permission=Permission.ADMINISTER, limit=Limit.ACTION, audit="user_id")
class EnableUser(Command[UserView], frozen=True):
    """Let a person in again. They log in anew."""

    user_id: Id


@command(
    "users.delete",
    permission=Permission.ADMINISTER,
    limit=Limit.ACTION,
    audit="user_id",
    refuses=(UserReason.LAST_ADMIN,),
)
class DeleteUser(Command[Done], frozen=True):
    """Delete a person, for good: log-ins, player, seat. The e-mail address is free at once; the
    username stays reserved for 90 days (`username_taken`).

    What has been stays: the logs of battles, and the ledger, into which what the player had is
    booked out.
    """

    user_id: Id


@event("users.changed", delivery=KEPT)
class UserChanged(Event, frozen=True, kw_only=True):
    """The person as they are now."""

    user: UserView

    def room(self) -> Room:
        """The person's."""
        return user_room(self.user.user_id)


@event("users.deleted", delivery=KEPT)
class UserDeleted(Event, frozen=True, kw_only=True):
    """The person is no more. Nothing comes after this, and nobody can join the room again."""

    user_id: Id

    def room(self) -> Room:
        """The person's."""
        return user_room(self.user_id)
