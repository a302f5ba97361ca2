"""The rows of people."""

import re
from typing import Final, NamedTuple

from protocol.permissions import Role
from server.database import Reader, Row, Statement, Work

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
_PAGE: Final = Statement(
    "users.page",
    "select id, username, email, password_hash, role, disabled, created_at from users"
    " where username_key > :after and (:role = '' or role = :role)"
    " and (username_key like :like escape '!' or coalesce(email_key, '') like :like escape '!')"
    " order by username_key limit :most",
)
_ANOTHER: Final = Statement(
    "users.another",
    "select 1 from users where role = :role and disabled = false and id <> :id limit 1",
)
_HOLD: Final = Statement(
    "users.hold", "update users set disabled = false where id = :id and disabled = false"
)
_SET_ROLE: Final = Statement(
    "users.set_role",
    "update users set role = :role where id = :id and role = :seen and disabled = :disabled"
    " and (:stays or exists (select 1 from users as others"
    "  where others.role = :seen and others.disabled = false and others.id <> :id))",
)
_SET_DISABLED: Final = Statement(
    "users.set_disabled",
    "update users set disabled = :disabled"
    " where id = :id and role = :seen and disabled <> :disabled"
    " and (:stays or exists (select 1 from users as others"
    "  where others.role = :seen and others.disabled = false and others.id <> :id))",
)
_SET_PASSWORD: Final = Statement(
    "users.set_password",
    "update users set password_hash = :password_hash where id = :id and password_hash = :seen",
)
_ANY: Final = Statement("users.any", "select 1 from users where role = :role limit 1")


class User(NamedTuple):
    """A person. `created_at` in milliseconds since 1970 UTC."""

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


def _user(row: Row) -> User:
    ident, username, email, password_hash, role, disabled, created_at = row
    return User(ident, username, email, password_hash, Role(role), bool(disabled), created_at)


class Users:
    """All people."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def by_id(self, ident: str) -> User | None:
        """The person with this id."""
        return await self._one(_BY_ID, id=ident)

    async def by_name(self, username: str) -> User | None:
        """The person with this username, whatever its case."""
        return await self._one(_BY_NAME, key=username.casefold())

    async def by_email(self, email: str) -> User | None:
        """The person with this e-mail address, whatever its case."""
        return await self._one(_BY_EMAIL, key=email.casefold())

    async def by_login(self, login: str) -> User | None:
        """The person who logs in with a username or an e-mail address."""
        return await (self.by_email(login) if "@" in login else self.by_name(login))

    async def page(
        self, search: str = "", role: Role | None = None, most: int = 200, after: str = ""
    ) -> list[User]:
        """People by username, so many after the one named `after`.

        `search` is part of the username or the e-mail address, whatever its case.
        """
        part = re.sub(r"[!%_]", r"!\g<0>", search.casefold())
        rows = await self._reader.all(
            _PAGE, like=f"%{part}%", role=role or "", after=after.casefold(), most=most
        )
        return [_user(row) for row in rows]

    async def _one(self, statement: Statement, **given: str) -> User | None:
        row = await self._reader.one(statement, **given)
        return None if row is None else _user(row)

    async def any_with(self, role: Role) -> bool:
        """Whether anybody has the role."""
        return await self._reader.one(_ANY, role=role) is not None

    async def another_admin(self, user: User) -> bool:
        """Whether there is an admin who may come in besides a person."""
        return await self._reader.one(_ANOTHER, role=Role.ADMIN, id=user.id) is not None

    @staticmethod
    def hold(work: Work, user: User) -> None:
        """Let nobody disable a person at the same moment. Stale where somebody has."""
        work.change(_HOLD, id=user.id)

    @staticmethod
    def set_role(work: Work, user: User, role: Role) -> None:
        """Give a person another role. Stale where they changed, or are the last admin."""
        work.change(
            _SET_ROLE,
            id=user.id,
            seen=user.role,
            disabled=user.disabled,
            role=role,
            stays=not user.administers,
        )

    @staticmethod
    def set_disabled(work: Work, user: User, disabled: bool) -> None:
        """Keep a person out, or let them in again. Stale as `set_role`."""
        work.change(
            _SET_DISABLED,
            id=user.id,
            seen=user.role,
            disabled=disabled,
            stays=not (disabled and user.administers),
        )

    @staticmethod
    def set_password(work: Work, user: User, password_hash: str) -> None:
        """Give a person another password. Stale where they have another one already."""
        work.change(_SET_PASSWORD, id=user.id, seen=user.password_hash, password_hash=password_hash)

    @staticmethod
    def add(work: Work, user: User) -> None:
        """Add a person. The unit is stale where the name or the address is taken."""
        work.change(
            _INSERT,
            id=user.id,
            username=user.username,
            username_key=user.username.casefold(),
            email=user.email,
            email_key=None if user.email is None else user.email.casefold(),
            password_hash=user.password_hash,
            role=user.role,
            created_at=user.created_at,
        )
