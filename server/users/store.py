"""The rows of people."""

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
    "select id, username, email, password_hash, role, disabled from users where id = :id",
)
_BY_NAME: Final = Statement(
    "users.by_name",
    "select id, username, email, password_hash, role, disabled from users"
    " where username_key = :key",
)
_BY_EMAIL: Final = Statement(
    "users.by_email",
    "select id, username, email, password_hash, role, disabled from users where email_key = :key",
)
_ANY: Final = Statement("users.any", "select 1 from users where role = :role limit 1")


class User(NamedTuple):
    """A person."""

    id: str
    username: str
    email: str | None
    password_hash: str
    role: Role
    disabled: bool


def _user(row: Row | None) -> User | None:
    if row is None:
        return None
    ident, username, email, password_hash, role, disabled = row
    return User(ident, username, email, password_hash, Role(role), bool(disabled))


class Users:
    """All people."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def by_id(self, ident: str) -> User | None:
        """The person with this id."""
        return _user(await self._reader.one(_BY_ID, id=ident))

    async def by_name(self, username: str) -> User | None:
        """The person with this username, whatever its case."""
        return _user(await self._reader.one(_BY_NAME, key=username.casefold()))

    async def by_email(self, email: str) -> User | None:
        """The person with this e-mail address, whatever its case."""
        return _user(await self._reader.one(_BY_EMAIL, key=email.casefold()))

    async def by_login(self, login: str) -> User | None:
        """The person who logs in with a username or an e-mail address."""
        return await (self.by_email(login) if "@" in login else self.by_name(login))

    async def any_with(self, role: Role) -> bool:
        """Whether anybody has the role."""
        return await self._reader.one(_ANY, role=role) is not None

    @staticmethod
    def add(work: Work, user: User, now_ms: int) -> None:
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
            created_at=now_ms,
        )
