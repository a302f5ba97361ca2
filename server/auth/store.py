"""The rows of log-ins and of service keys. Tokens and keys are stored hashed."""

import hashlib
from typing import Final, NamedTuple

from server.database import ANY_NUMBER, Reader, Statement, Work

_INSERT: Final = Statement(
    "auth.insert_refresh_token",
    "insert into refresh_tokens (token_hash, family, user_id, expires_at, used_at, revoked)"
    " values (:token_hash, :family, :user_id, :expires_at, null, false)",
)
_FIND: Final = Statement(
    "auth.find_refresh_token",
    "select family, user_id, expires_at, used_at, revoked, successor from refresh_tokens"
    " where token_hash = :token_hash",
)
_USE: Final = Statement(
    "auth.use_refresh_token",
    "update refresh_tokens set used_at = coalesce(used_at, :used_at), successor = :successor"
    " where token_hash = :token_hash and revoked = false",
)
_REVOKE: Final = Statement(
    "auth.revoke_family", "update refresh_tokens set revoked = true where family = :family"
)
_ALIVE: Final = Statement(
    "auth.session_alive",
    "select 1 from refresh_tokens t join users u on u.id = t.user_id"
    " where t.family = :family and t.user_id = :user_id and t.revoked = false"
    " and u.disabled = false and u.role = :role limit 1",
)
_EXPIRED: Final = Statement(
    "auth.expired_refresh_token", "select 1 from refresh_tokens where expires_at <= :now limit 1"
)
_DELETE_EXPIRED: Final = Statement(
    "auth.delete_expired_refresh_tokens",
    "delete from refresh_tokens where token_hash in (select token_hash from refresh_tokens"
    " where expires_at <= :now order by expires_at limit :most)",
)
_ADD_KEY: Final = Statement(
    "auth.add_service_key",
    "insert into service_keys (id, name, key_hash, scopes, created_at, revoked)"
    " values (:id, :name, :key_hash, :scopes, :created_at, false)",
)
_FIND_KEY: Final = Statement(
    "auth.find_service_key",
    "select id, name, scopes from service_keys where key_hash = :key_hash and revoked = false",
)


class RefreshToken(NamedTuple):
    """A refresh token as it is stored."""

    family: str
    user_id: str
    expires_at: int
    used_at: int | None
    revoked: bool
    successor: str | None


class ServiceKey(NamedTuple):
    """A service key as it is stored."""

    id: str
    name: str
    scopes: tuple[str, ...]


def digest(secret: str) -> str:
    """How a token or key is stored: they are random enough that a plain hash is safe."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Logins:
    """All log-ins and service keys."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def find(self, token: str) -> RefreshToken | None:
        """The refresh token."""
        row = await self._reader.one(_FIND, token_hash=digest(token))
        return (
            None
            if row is None
            else RefreshToken(row[0], row[1], row[2], row[3], bool(row[4]), row[5])
        )

    async def succeeded(self, token: RefreshToken) -> bool:
        """Whether what a used token was traded for has been used itself."""
        if token.successor is None:
            return False
        row = await self._reader.one(_FIND, token_hash=token.successor)
        return row is None or row[3] is not None

    async def alive(self, session: str, user_id: str, role: str) -> bool:
        """Whether a log-in still holds, with the role that its token names."""
        found = await self._reader.one(_ALIVE, family=session, user_id=user_id, role=role)
        return found is not None

    async def any_expired(self, now_ms: int) -> bool:
        """Whether there are refresh tokens that nobody can use any more."""
        return await self._reader.one(_EXPIRED, now=now_ms) is not None

    @staticmethod
    def delete_expired(work: Work, now_ms: int, most: int) -> None:
        """Delete so many of them."""
        work.change(_DELETE_EXPIRED, rows=ANY_NUMBER, now=now_ms, most=most)

    async def find_key(self, key: str) -> ServiceKey | None:
        """The service key."""
        row = await self._reader.one(_FIND_KEY, key_hash=digest(key))
        return None if row is None else ServiceKey(row[0], row[1], tuple(row[2].split()))

    @staticmethod
    def add(work: Work, token: str, family: str, user_id: str, expires_at: int) -> None:
        """Store a new refresh token of a log-in."""
        work.change(
            _INSERT,
            token_hash=digest(token),
            family=family,
            user_id=user_id,
            expires_at=expires_at,
        )

    @staticmethod
    def use(work: Work, token: str, successor: str, now_ms: int) -> None:
        """Mark a refresh token as traded for another. Stale where it was revoked meanwhile."""
        work.change(_USE, token_hash=digest(token), used_at=now_ms, successor=digest(successor))

    @staticmethod
    def revoke(work: Work, family: str) -> None:
        """End a log-in: all its tokens."""
        work.change(_REVOKE, rows=ANY_NUMBER, family=family)

    @staticmethod
    def add_key(work: Work, key_id: str, name: str, key: str, scopes: str, now_ms: int) -> None:
        """Store a new service key. Stale where the name is taken."""
        work.change(
            _ADD_KEY,
            id=key_id,
            name=name,
            key_hash=digest(key),
            scopes=scopes,
            created_at=now_ms,
        )
