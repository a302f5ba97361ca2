"""The rows of log-ins, of service keys, and of changes of rights.

Tokens and keys are stored hashed. What says who may come in says also after which change of rights
it was read, in the same statement.
"""

import hashlib
from typing import Final, NamedTuple

from server.database import ANY_NUMBER, Change, Database, Reader, Statement, Work, sweep

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
    "update refresh_tokens set used_at = :used_at, successor = :successor"
    " where token_hash = :token_hash and revoked = false and used_at is null",
)
_LOCK: Final = Statement(
    "auth.lock_user", "update users set disabled = disabled where id = :user_id"
)
_REVOKE: Final = Statement(
    "auth.revoke_family",
    "update refresh_tokens set revoked = true where family = :family and revoked = false",
)
_REVOKE_ALL: Final = Statement(
    "auth.revoke_all",
    "update refresh_tokens set revoked = true where user_id = :user_id and revoked = false",
)
_ALIVE: Final = Statement(
    "auth.session_alive",
    "select (select coalesce(max(version), 0) from rights_changes)"
    " from refresh_tokens t join users u on u.id = t.user_id"
    " where t.family = :family and t.user_id = :user_id and t.revoked = false"
    " and u.disabled = false and u.role = :role limit 1",
)
_HOLD_USER: Final = Statement(
    "auth.hold_caller",
    "update users set disabled = false where id = :id and disabled = false and role = :role",
)
_HOLD_LOG_IN: Final = Statement(
    "auth.hold_log_in",
    "update refresh_tokens set revoked = false where token_hash ="
    " (select min(token_hash) from refresh_tokens"
    "  where family = :family and user_id = :user_id and revoked = false)"
    " and revoked = false",
)
_HOLD_KEY: Final = Statement(
    "auth.hold_service_key",
    "update service_keys set revoked = false"
    " where id = :id and revoked = false and scopes = :scopes",
)
_STANDING: Final = Statement(
    "auth.standing",
    "select u.role, u.disabled, (select count(*) from refresh_tokens t"
    "  where t.family = :family and t.user_id = u.id and t.revoked = false)"
    " from users u where u.id = :id",
)
_KEY_STANDING: Final = Statement(
    "auth.standing_of_service_key", "select scopes, revoked from service_keys where id = :id"
)
_EXPIRED: Final = Statement(
    "auth.expired_refresh_token", "select 1 from refresh_tokens where expires_at <= :now limit 1"
)
_DELETE_EXPIRED: Final = Statement(
    "auth.delete_expired_refresh_tokens",
    "delete from refresh_tokens where token_hash in (select token_hash from refresh_tokens"
    " where expires_at <= :now order by expires_at limit :most)",
)
_NETWORK: Final = Statement(
    "auth.login_network",
    "select last_at from login_networks where user_id = :user_id and network = :network",
)
_NOTE_NETWORK: Final = Statement(
    "auth.note_login_network",
    "insert into login_networks (user_id, network, last_at) values (:user_id, :network, :now)"
    " on conflict (user_id, network) do update set last_at = excluded.last_at",
)
_TRIM_NETWORKS: Final = Statement(
    "auth.trim_login_networks",
    "delete from login_networks where user_id = :user_id and network in"
    " (select network from login_networks where user_id = :user_id"
    " order by last_at desc, network limit :most offset :kept)",
)
_UNUSED_NETWORK: Final = Statement(
    "auth.unused_login_network",
    "select 1 from login_networks where last_at <= :before limit 1",
)
_DELETE_UNUSED_NETWORKS: Final = Statement(
    "auth.delete_unused_login_networks",
    "delete from login_networks where (user_id, network) in"
    " (select user_id, network from login_networks where last_at <= :before"
    " order by last_at limit :most)",
)
_ADD_KEY: Final = Statement(
    "auth.add_service_key",
    "insert into service_keys (id, name, key_hash, scopes, created_at, revoked)"
    " values (:id, :name, :key_hash, :scopes, :created_at, false)",
)
_KEYS: Final = Statement(
    "auth.service_keys", "select name, scopes, created_at, revoked from service_keys order by name"
)
_FIND_KEY: Final = Statement(
    "auth.find_service_key",
    "select id, name, scopes, (select coalesce(max(version), 0) from rights_changes)"
    " from service_keys where key_hash = :key_hash and revoked = false",
)
_FIND_KEY_BY_NAME: Final = Statement(
    "auth.find_service_key_by_name", "select id, revoked from service_keys where name = :name"
)
_REVOKE_KEY: Final = Statement(
    "auth.revoke_service_key",
    "update service_keys set revoked = true where id = :id and revoked = false",
)
_ADD_CHANGE: Final = Statement(
    "auth.add_rights_change",
    "insert into rights_changes (version, who, session, why, at)"
    " select coalesce(max(version), 0) + 1, cast(:who as text), cast(:session as text),"
    " cast(:why as text), cast(:at as bigint) from rights_changes",
)
_NEWEST_CHANGE: Final = Statement(
    "auth.newest_rights_change", "select coalesce(max(version), 0) from rights_changes"
)
_CHANGES_AFTER: Final = Statement(
    "auth.rights_changes_after",
    "select version, who, session, why from rights_changes where version > :version"
    " order by version",
)
_FORGET_CHANGES: Final = Statement(
    "auth.forget_rights_changes", "delete from rights_changes where version <= :version"
)

KEPT_NETWORKS: Final = 20
NETWORK_DAY_MS: Final = 86_400_000
NETWORK_LIFE_MS: Final = 90 * NETWORK_DAY_MS


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
    rights: int


class ListedKey(NamedTuple):
    """What may be seen of a service key. `created_at` in milliseconds since 1970 UTC."""

    name: str
    scopes: tuple[str, ...]
    created_at: int
    revoked: bool


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

    async def alive(self, session: str, user_id: str, role: str) -> int | None:
        """After which change of rights a log-in holds, with the role that its token names.

        None where it does not hold.
        """
        row = await self._reader.one(_ALIVE, family=session, user_id=user_id, role=role)
        return None if row is None else int(row[0])

    async def standing(self, user_id: str, session: str) -> str | None:
        """The role of a user whose log-in holds, None where it does not."""
        row = await self._reader.one(_STANDING, id=user_id, family=session)
        return None if row is None or row[1] or not row[2] else str(row[0])

    async def key_standing(self, key_id: str) -> str | None:
        """The scopes of a service key that is not revoked, None where it is."""
        row = await self._reader.one(_KEY_STANDING, id=key_id)
        return None if row is None or row[1] else str(row[0])

    @staticmethod
    def hold_caller(user_id: str, role: str, session: str) -> list[Change]:
        """Conditions that a user has this role, is not disabled, and the log-in has not ended.

        Updates, as PostgreSQL holds what they touch: a transaction that takes any of this away
        waits for the unit, or the unit waits for it and is stale. The user comes before the log-in,
        as in each unit that changes both.
        """
        held = {"family": session, "user_id": user_id}
        return [
            Change(_HOLD_USER, _HOLD_USER.values({"id": user_id, "role": role}), 1),
            Change(_HOLD_LOG_IN, _HOLD_LOG_IN.values(held), 1),
        ]

    @staticmethod
    def hold_key(key_id: str, scopes: str) -> list[Change]:
        """The condition that a service key has these scopes and is not revoked."""
        return [Change(_HOLD_KEY, _HOLD_KEY.values({"id": key_id, "scopes": scopes}), 1)]

    @staticmethod
    async def delete_expired(database: Database, now_ms: int) -> None:
        """Delete the refresh tokens that no client can use any more. Raises Unavailable."""
        await sweep(database, _EXPIRED, _DELETE_EXPIRED, now=now_ms)

    async def find_key(self, key: str) -> ServiceKey | None:
        """The service key, unless it was revoked."""
        row = await self._reader.one(_FIND_KEY, key_hash=digest(key))
        return None if row is None else ServiceKey(row[0], row[1], tuple(row[2].split()), row[3])

    async def keys(self) -> list[ListedKey]:
        """All service keys, by name."""
        return [
            ListedKey(name, tuple(scopes.split()), created_at, bool(revoked))
            for name, scopes, created_at, revoked in await self._reader.all(_KEYS)
        ]

    async def find_key_named(self, name: str) -> tuple[str, bool] | None:
        """The id of a service key, and whether it was revoked."""
        row = await self._reader.one(_FIND_KEY_BY_NAME, name=name)
        return None if row is None else (row[0], bool(row[1]))

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
        """Mark a refresh token as traded for another.

        Stale where it was used or revoked before: its first use alone is committed.
        """
        work.change(_USE, token_hash=digest(token), used_at=now_ms, successor=digest(successor))

    @staticmethod
    def revoke(work: Work, family: str, user_id: str) -> None:
        """End a log-in: all its tokens.

        A unit that adds a token holds the user's row first (`Users.hold`), and so does this. With
        PostgreSQL an update does not see rows that another transaction has yet to commit: a token
        that another process adds at that moment would outlive its log-in.
        """
        work.change(_LOCK, rows=ANY_NUMBER, user_id=user_id)
        work.change(_REVOKE, rows=ANY_NUMBER, family=family)

    @staticmethod
    def revoke_all(work: Work, user_id: str) -> None:
        """End all log-ins of a person, after `Users.save` in the same unit: see `revoke`."""
        work.change(_REVOKE_ALL, rows=ANY_NUMBER, user_id=user_id)

    @staticmethod
    def revoke_key(work: Work, key_id: str) -> None:
        """End a service key. Stale where it was ended already."""
        work.change(_REVOKE_KEY, id=key_id)

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


class Networks:
    """From which networks users have logged in: a user's newest KEPT_NETWORKS of 90 days.

    Moments are milliseconds since 1970 UTC.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def last_at(self, user_id: str, network: str) -> int | None:
        """When a user logged in from a network, to within a day. None: not in 90 days."""
        row = await self._reader.one(_NETWORK, user_id=user_id, network=network)
        return None if row is None else int(row[0])

    @staticmethod
    def note(work: Work, user_id: str, network: str, seen_at: int | None, now_ms: int) -> None:
        """Keep that a user logs in from a network. `seen_at`: what `last_at` gave.

        Most log-ins are from where there was one today: they write nothing.
        """
        if not network or (seen_at is not None and 0 <= now_ms - seen_at < NETWORK_DAY_MS):
            return
        work.change(_NOTE_NETWORK, user_id=user_id, network=network, now=now_ms)
        work.change(
            _TRIM_NETWORKS,
            rows=ANY_NUMBER,
            user_id=user_id,
            most=KEPT_NETWORKS,
            kept=KEPT_NETWORKS,
        )

    @staticmethod
    async def delete_unused(database: Database, before_ms: int) -> None:
        """Delete the networks that no user has logged in from since. Raises Unavailable."""
        await sweep(database, _UNUSED_NETWORK, _DELETE_UNUSED_NETWORKS, before=before_ms)


class ChangeRow(NamedTuple):
    """A change of rights as it is stored. `session` None: of all log-ins."""

    version: int
    who: str
    session: str | None
    why: str


class RightsLog:
    """All changes of rights that are kept, numbered 1, 2, 3, … in the order of their commits."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def newest(self) -> int:
        """The number of the last change, 0 where there was none."""
        row = await self._reader.one(_NEWEST_CHANGE)
        assert row is not None
        return int(row[0])

    async def after(self, version: int) -> list[ChangeRow]:
        """The changes above a number, in order."""
        return [ChangeRow(*row) for row in await self._reader.all(_CHANGES_AFTER, version=version)]

    @staticmethod
    def add(work: Work, who: str, session: str | None, why: str, now_ms: int) -> None:
        """Number a change. Stale where another process took the number at the same moment."""
        work.change(_ADD_CHANGE, who=who, session=session, why=why, at=now_ms)

    @staticmethod
    def forget(work: Work, version: int) -> None:
        """Drop the changes up to a number."""
        work.change(_FORGET_CHANGES, rows=ANY_NUMBER, version=version)
