"""The rows of people."""

from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from sqlalchemy import bindparam, or_, select

from protocol.pages import Page
from protocol.permissions import Role
from protocol.rooms import Room
from protocol.times import rfc3339
from protocol.users import UserChanged, UserDeleted, UserView, user_room
from server.database import (
    ESCAPE,
    Database,
    Listing,
    Reading,
    Row,
    Statement,
    Work,
    ascending,
    containing,
    forget,
    sweep,
)
from server.users.rules import NAME_REST_MS, is_reserved
from server.users.tables import users

_INSERT: Final = Statement(
    "users.insert",
    "insert into users"
    " (id, username, username_key, email, email_key, password_hash, role, disabled, created_at)"
    " values (:id, :username, :username_key, :email, :email_key, :password_hash, :role, false,"
    " :created_at)",
)
_BY_ID: Final = Statement(
    "users.by_id",
    "select id, username, email, password_hash, role, disabled, created_at from users"
    " where id = :id",
)
_BY_NAME: Final = Statement(
    "users.by_name",
    "select id, username, email, password_hash, role, disabled, created_at from users"
    " where username_key = :key",
)
_BY_EMAIL: Final = Statement(
    "users.by_email",
    "select id, username, email, password_hash, role, disabled, created_at from users"
    " where email_key = :key",
)
_LIST: Final = Listing(
    "users.page",
    select(
        *(users.c[name] for name in ("id", "username", "email", "password_hash", "role")),
        *(users.c[name] for name in ("disabled", "created_at", "username_key")),
    ),
    sorts={"name": ascending(users.c.username_key)},
    filters={
        "role": users.c.role == bindparam("role"),
        "search": or_(
            users.c.username_key.like(bindparam("search"), escape=ESCAPE),
            users.c.email_key.like(bindparam("search"), escape=ESCAPE),
        ),
    },
    untagged=True,
)
_ANOTHER: Final = Statement(
    "users.another",
    "select 1 from users where role = :role and disabled = false and id <> :id limit 1",
)
_HOLD: Final = Statement(
    "users.hold",
    "update users set disabled = false"
    " where id = :id and disabled = false and password_hash = :seen",
)
_REHASH: Final = Statement(
    "users.rehash",
    "update users set password_hash = :password_hash where id = :id and password_hash = :seen",
)
_SAVE: Final = Statement(
    "users.save",
    "update users set email = :email, email_key = :email_key, password_hash = :password_hash,"
    " role = :role, disabled = :disabled"
    " where id = :id and coalesce(email, '') = :seen_email and password_hash = :seen_hash"
    " and role = :seen_role and disabled = :seen_disabled"
    " and (:stays or exists (select 1 from users as others"
    "  where others.role = :seen_role and others.disabled = false and others.id <> :id))",
)
_DELETE: Final = Statement(
    "users.delete",
    "delete from users where id = :id and role = :seen_role and disabled = :seen_disabled"
    " and (:stays or exists (select 1 from users as others"
    "  where others.role = :seen_role and others.disabled = false and others.id <> :id))",
)
_ADMINS: Final = Statement("users.admins", "select username from users where role = 'admin'")
_RETIRE: Final = Statement(
    "users.retire_name",
    "insert into retired_names (username_key, retired_at) values (:key, :now)"
    " on conflict (username_key) do update set retired_at = excluded.retired_at",
)
_RESTS: Final = Statement(
    "users.name_rests",
    "select 1 from retired_names where username_key = :key and retired_at > :since",
)
_HOLD_NAME: Final = Statement(
    "users.hold_name",
    "update users set disabled = disabled where id = :id and not exists"
    " (select 1 from retired_names where username_key = :key and retired_at > :since)",
)
_ANY_RESTED: Final = Statement(
    "users.any_rested_name", "select 1 from retired_names where retired_at <= :since limit 1"
)
_DELETE_RESTED: Final = Statement(
    "users.delete_rested_names",
    "delete from retired_names where username_key in (select username_key from retired_names"
    " where retired_at <= :since order by username_key limit :most)",
)
_ANY: Final = Statement("users.any", "select 1 from users where role = :role limit 1")
_ANY_AT_ALL: Final = Statement("users.any_at_all", "select 1 from users limit 1")


class User(NamedTuple):
    """A person."""

    id: str
    username: str
    email: str | None
    password_hash: str
    role: Role
    disabled: bool
    created_at: int

    @property
    def administers(self) -> bool:
        """Whether this is an admin who may come in: there must always be one."""
        return self.role is Role.ADMIN and not self.disabled

    @property
    def view(self) -> UserView:
        """The person as whoever administers sees them."""
        created_at = rfc3339(self.created_at)
        return UserView(self.id, self.username, self.email, self.role, self.disabled, created_at)


def _user(row: Row | None) -> User | None:
    return None if row is None else _read(row)


def _read(row: Row) -> User:
    ident, username, email, password_hash, role, disabled, created_at = row
    return User(ident, username, email, password_hash, Role(role), bool(disabled), created_at)


def _key(email: str | None) -> str | None:
    return None if email is None else email.casefold()


AtRegistration = Callable[[Work, User, int], None]
"""What else is made with a person, in the same unit: given the work, the person, the time."""
AtDeletion = Callable[[Work, User, int], Awaitable[None]]
"""What else is to end with a person, in the same unit. Raises Stale where it can't be now."""


OwnRoom = Callable[[str], Room]
"""The name of a room that is about one person, given their id."""


class Users:
    """All people. Who comes and who goes takes along what other domains have asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reader = database.reader
        self._own_rooms: list[OwnRoom] = [user_room]
        self._at_registration: list[AtRegistration] = []
        self._at_deletion: list[AtDeletion] = []

    def at_registration(self, add: AtRegistration) -> None:
        """Ask to add to the unit of every registration."""
        self._at_registration.append(add)

    def at_deletion(self, end: AtDeletion) -> None:
        """Ask to add to the unit of every deletion. Who asks last decides latest."""
        self._at_deletion.append(end)

    def forgets(self, room: OwnRoom) -> None:
        """Ask to forget what was told in a room of a person when they are deleted."""
        self._own_rooms.append(room)

    @staticmethod
    async def read(reading: Reading, ident: str) -> User | None:
        """The person with this id, as the database has them."""
        return _user(await reading.one(_BY_ID, id=ident))

    async def by_id(self, ident: str) -> User | None:
        """The person with this id."""
        return await self.read(self._reader, ident)

    async def by_name(self, username: str) -> User | None:
        """The person with this username, whatever its case."""
        return _user(await self._reader.one(_BY_NAME, key=username.casefold()))

    async def name_rests(self, username: str, now: int) -> bool:
        """Whether a username was used by somebody who was deleted not long ago."""
        key, since = username.casefold(), now - NAME_REST_MS
        return await self._reader.one(_RESTS, key=key, since=since) is not None

    async def name_reserved(self, username: str) -> bool:
        """Whether nobody may register with a name: see `rules.is_reserved`."""
        admins = [row[0] for row in await self._reader.all(_ADMINS)]
        return is_reserved(username, admins)

    async def prune(self, now: int) -> None:
        """Forget names that may be given again. Raises Unavailable."""
        since = now - NAME_REST_MS
        await sweep(self._database, _ANY_RESTED, _DELETE_RESTED, since=since)

    async def by_email(self, email: str) -> User | None:
        """The person with this e-mail address, whatever its case."""
        return _user(await self._reader.one(_BY_EMAIL, key=_key(email)))

    async def by_login(self, login: str) -> User | None:
        """The person who logs in with a username or an e-mail address."""
        return await (self.by_email(login) if "@" in login else self.by_name(login))

    async def any_with(self, role: Role) -> bool:
        """Whether anybody has the role."""
        return await self._reader.one(_ANY, role=role) is not None

    async def none(self) -> bool:
        """Whether there is nobody yet."""
        return await self._reader.one(_ANY_AT_ALL) is None

    async def another_admin(self, user: User) -> bool:
        """Whether there is an admin who may come in besides a person."""
        return await self._reader.one(_ANOTHER, role=Role.ADMIN, id=user.id) is not None

    async def page(
        self, search: str, role: Role | None, limit: int, cursor: str | None
    ) -> Page[UserView]:
        """People by username, whose name or e-mail address contains a text."""
        return await _LIST.page(
            self._reader,
            lambda row: _read(row[:-1]).view,
            limit=limit,
            cursor=cursor,
            role=role,
            search=containing(search),
        )

    @staticmethod
    def hold(work: Work, user: User) -> None:
        """Let nobody disable a person or change the password at the same moment.

        Stale where somebody has.
        """
        work.change(_HOLD, id=user.id, seen=user.password_hash)

    def add(self, work: Work, user: User) -> None:
        """Add a person. The unit is stale where the name or the address is taken.

        A name that was somebody's not long ago is taken too: see `name_rests`.
        """
        work.change(
            _INSERT,
            id=user.id,
            username=user.username,
            username_key=user.username.casefold(),
            email=user.email,
            email_key=_key(user.email),
            password_hash=user.password_hash,
            role=user.role,
            created_at=user.created_at,
        )
        # After the row, which waits for another process that deletes the name at this moment: a
        # statement of its own sees what that has committed.
        key, since = user.username.casefold(), user.created_at - NAME_REST_MS
        work.change(_HOLD_NAME, id=user.id, key=key, since=since)
        for add in self._at_registration:
            add(work, user, user.created_at)

    @staticmethod
    def save(work: Work, seen: User, user: User) -> None:
        """Change a person, but for the name, and tell it.

        Stale where they changed since they were seen, are the last admin, or the address is taken.
        """
        work.change(
            _SAVE,
            id=seen.id,
            seen_email=seen.email or "",
            seen_hash=seen.password_hash,
            seen_role=seen.role,
            seen_disabled=seen.disabled,
            email=user.email,
            email_key=_key(user.email),
            password_hash=user.password_hash,
            role=user.role,
            disabled=user.disabled,
            stays=user.administers or not seen.administers,
        )
        work.publish(UserChanged(user=user.view))

    @staticmethod
    def rehash(work: Work, seen: User, password_hash: str) -> None:
        """Store another hash of the same password: no change to be told. Stale as `save`."""
        work.change(_REHASH, id=seen.id, seen=seen.password_hash, password_hash=password_hash)

    async def delete(self, work: Work, seen: User, now: int) -> None:
        """Delete a person and what belongs to them, and tell it. Stale as `save`.

        Commit it with no wait in between. What was told of the person is forgotten; nobody can
        ask for it any more. Raises Unavailable.
        """
        for own in self._own_rooms:
            await forget(self._database, work, own(seen.id))
        for end in self._at_deletion:
            await end(work, seen, now)
        work.change(
            _DELETE,
            id=seen.id,
            seen_role=seen.role,
            seen_disabled=seen.disabled,
            stays=not seen.administers,
        )
        work.change(_RETIRE, key=seen.username.casefold(), now=now)
        work.publish(UserDeleted(user_id=seen.id))
