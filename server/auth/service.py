"""Registering, logging in, and saying who opens a connection."""

import asyncio
from functools import partial
from hmac import compare_digest

import msgspec

from protocol.auth import AuthReason, LoggedIn, Login, Person, Register, Tokens
from protocol.errors import Failure, refused, unauthenticated
from protocol.gateway import ExpiryReason
from protocol.ids import uuid7
from protocol.permissions import Permission, Role, granted
from protocol.times import rfc3339
from server.auth.attempts import Attempts
from server.auth.passwords import Passwords
from server.auth.people import People
from server.auth.refresh_tokens import REUSE_GRACE_MS, RefreshTokens, within_grace
from server.auth.rights import EndedRights, Rights
from server.auth.settings import AuthSettings
from server.auth.store import NETWORK_LIFE_MS, Logins, Networks, RefreshToken, digest
from server.auth.tokens import AccessTokens
from server.auth.turns import HashKind
from server.database import Database, Stale, Unavailable, Work, retry_while_stale
from server.gateway import Identity
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.users import User

log = logger("auth")


def person(user: User) -> Person:
    """A person as clients see them."""
    return Person(
        id=user.id,
        username=user.username,
        role=user.role,
        permissions=tuple(sorted(granted(user.role))),
        email=user.email,
    )


class Auth:
    """Who may come in."""

    def __init__(
        self,
        database: Database,
        people: People,
        passwords: Passwords,
        secret: bytes,
        attempts: Attempts,
        rights: Rights,
        clock: Clock,
        settings: AuthSettings,
    ) -> None:
        self._database = database
        self._logins = Logins(database.reader)
        self._networks = Networks(database.reader)
        self.people = people
        self._users = people.users
        self._passwords = passwords
        self._tokens = AccessTokens(secret, settings.access_token_expire_minutes * 60)
        self._refresh_tokens = RefreshTokens(secret)
        self._attempts = attempts
        self._rights = rights
        self._clock = clock
        self._refresh_life_ms = settings.refresh_token_expire_days * 86_400_000
        self._registration_open = settings.registration == "open"

    def close(self) -> None:
        """Check no more passwords: who waits for that is told `unavailable`."""
        self._passwords.close()

    async def register(self, body: Register, network: str) -> LoggedIn:
        """Add a person with the role `player` and log in, from a network.

        Raises Failure `refused` registration_closed, `conflict` username_taken,
        username_reserved or email_taken, `invalid`, `busy`.
        """
        if not self._registration_open:
            raise refused(AuthReason.REGISTRATION_CLOSED, "registration is closed")
        await self.people.check_registrable(body.username)
        self._database.writer.admit()
        return await self.add(body.username, body.password, Role.PLAYER, body.email, network)

    async def add(
        self,
        username: str,
        password: str,
        role: Role,
        email: str | None = None,
        network: str = "",
    ) -> LoggedIn:
        """Add a person of any role and log in. Raises Failure as `register` does."""
        hashing = self.people.hashing(password, network, HashKind.REGISTRATION)

        async def attempt() -> LoggedIn:
            work, now = self._work()
            user = await self.people.add(work, username, hashing, role, email, now)
            logged_in = self._log_in(work, user, now)
            self._networks.note(work, user.id, network, None, now)
            await self._database.commit(work)
            return logged_in

        logged_in = await retry_while_stale(attempt)
        log.info("user_registered", user=logged_in.user.id, username=username, role=role)
        return logged_in

    async def log_in(self, body: Login, network: str) -> LoggedIn:
        """Log in, from a network.

        Raises Failure `unauthenticated`, the same for anything that is wrong; `rate_limited`,
        the same whether there is such a person or not; `busy`.
        """
        self._database.writer.admit()

        async def attempt() -> tuple[User, LoggedIn]:
            user, seen_at = await self._recognised(body, network)
            work, now = self._work()
            logged_in = self._log_in(work, user, now)
            self._networks.note(work, user.id, network, seen_at, now)
            # Stale: disabled, or with another password, since it was looked up.
            await self._database.commit(work)
            return user, logged_in

        user, logged_in = await retry_while_stale(attempt)
        if self._passwords.outdated(user.password_hash):
            await self._hash_anew(user, body.password, network)
        return logged_in

    async def _recognised(self, body: Login, network: str) -> tuple[User, int | None]:
        """The user who logs in, and when they last did so from this network.

        Raises Failure as `log_in` does.
        """
        attempt = self._attempts.begin(body.username, network)
        try:
            user = await self._users.by_login(body.username)
            # Read for a login that means nobody as well, so that both take as long.
            seen_at = await self._networks.last_at("" if user is None else user.id, network)
            if user is not None:
                attempt.means(user.id, is_known=seen_at is not None)
            known = None if user is None else user.password_hash
            right = await self._passwords.matches(body.password, known, network, attempt.checking)
        except (Failure, Unavailable, asyncio.CancelledError):
            if not attempt.is_checked:
                attempt.give_back()
            raise
        if user is None or not right or user.disabled or attempt.in_vain:
            raise attempt.refusal(unauthenticated("the username or the password is wrong"))
        attempt.give_back()
        return user, seen_at

    async def _hash_anew(self, user: User, password: str, network: str) -> None:
        """Store a right password's hash of the cost that new ones have. It can wait: never raises.

        It takes long, and only after a log-in that was right.
        """
        try:
            password_hash = await self._passwords.hash(password, network)
            work, _ = self._work()
            self._users.rehash(work, user, password_hash)
            await self._database.commit(work)
        except (Failure, Stale, Unavailable) as e:
            log.info("password_not_hashed_anew", person=user.id, why=type(e).__name__)

    async def refresh(self, refresh_token: str) -> LoggedIn:
        """Trade a refresh token for a new pair. Raises Failure `unauthenticated`, `busy`.

        The first use is committed. A retry within the grace gets the same refresh token and writes
        nothing, however many there are. A use after the grace ends the log-in: somebody has a copy.
        Source: RFC 9700, 4.14.2 (refresh token rotation).
        """
        # Stale: it was used or revoked, or the user changed, at the same moment.
        return await retry_while_stale(partial(self._refresh, refresh_token))

    async def _refresh(self, refresh_token: str) -> LoggedIn:
        refused = unauthenticated("the refresh token is not accepted")
        stored = await self._logins.find(refresh_token)
        now = self._clock.now_ms()
        if stored is None or stored.revoked:
            raise refused
        is_retry = stored.used_at is not None and within_grace(stored.used_at, now)
        if stored.expires_at <= now and not is_retry:
            raise refused
        if stored.used_at is not None and not is_retry:
            await self._end(stored)
            raise refused
        successor = self._refresh_tokens.successor(refresh_token)
        if is_retry and not compare_digest(digest(successor), stored.successor or ""):
            # Issued under another secret, or before successors were derived. That is no sign of a
            # copy, so the log-in goes on with the token that was given then.
            log.info("refresh_not_repeated", user=stored.user_id)
            raise refused
        user = await self._users.by_id(stored.user_id)
        if user is None or user.disabled:
            raise refused
        if not is_retry:
            self._database.writer.admit()
            work, now = self._work()
            self._begin(work, user, successor, stored.family, now)
            self._logins.use(work, refresh_token, successor, now)
            await self._database.commit(work)
        return self._logged_in(user, successor, stored.family, now)

    async def log_out(self, refresh_token: str) -> None:
        """End a log-in. A token that is not known ends nothing."""
        stored = await self._logins.find(refresh_token)
        if stored is not None and not stored.revoked:
            await self._end(stored)

    async def identify(self, auth: object) -> Identity:
        """Who opens a connection: `{token}` or `{service_key}`. Raises Failure."""
        given = auth if isinstance(auth, dict) else {}
        if "token" in given:
            return await self.identify_token(given["token"])
        if "service_key" in given:
            return await self._identify_service(given["service_key"])
        raise unauthenticated("send a token or a service_key")

    async def identify_token(self, token: object) -> Identity:
        """Who an access token speaks for, if the log-in still holds. Raises Failure."""
        identity = self._tokens.read(token, self._clock.now_ms())
        assert identity.session is not None
        assert identity.role is not None
        rights = await self._logins.alive(identity.session, identity.id, identity.role)
        if rights is None:
            raise unauthenticated("the access token is not accepted")
        return msgspec.structs.replace(identity, rights=rights)

    async def me(self, token: str) -> Person:
        """The person an access token speaks for. Raises Failure `unauthenticated`."""
        identity = await self.identify_token(token)
        user = await self._users.by_id(identity.id)
        if user is None:
            raise unauthenticated("the access token is not accepted")
        return person(user)

    async def _identify_service(self, key: object) -> Identity:
        found = await self._logins.find_key(key) if isinstance(key, str) else None
        if found is None:
            raise unauthenticated("the service key is not accepted")
        return Identity(
            id=found.id,
            name=found.name,
            permissions=frozenset({Permission.CONNECT, *map(Permission, found.scopes)}),
            rights=found.rights,
        )

    async def prune(self, now: int) -> None:
        """Delete refresh tokens that have expired, and networks that are long unused.

        Raises Unavailable.
        """
        expired = now - REUSE_GRACE_MS  # one that was used in its last moment may still be retried
        await self._logins.delete_expired(self._database, expired)
        await self._networks.delete_unused(self._database, now - NETWORK_LIFE_MS)

    def _work(self) -> tuple[Work, int]:
        now = self._clock.now_ms()
        return Work(rfc3339(now)), now

    def _log_in(self, work: Work, user: User, now: int) -> LoggedIn:
        """Put a new log-in into a unit."""
        session, refresh_token = uuid7(), self._refresh_tokens.first()
        self._begin(work, user, refresh_token, session, now)
        return self._logged_in(user, refresh_token, session, now)

    def _begin(self, work: Work, user: User, refresh_token: str, session: str, now: int) -> None:
        """Put a refresh token of a log-in into a unit. Stale where the user may not log in."""
        self._users.hold(work, user)
        expires_at = now + self._refresh_life_ms
        self._logins.add(work, refresh_token, session, user.id, expires_at)

    def _logged_in(self, user: User, refresh_token: str, session: str, now: int) -> LoggedIn:
        """The reply: a new access token beside a refresh token."""
        access_token = self._tokens.make(user.id, user.username, user.role, session, now)
        return LoggedIn(person(user), Tokens(access_token, refresh_token, self._tokens.life_s))

    async def _end(self, token: RefreshToken) -> None:
        """End the log-in that a refresh token belongs to."""

        async def decide(work: Work, _: int) -> EndedRights:
            self._logins.revoke(work, token.family, token.user_id)
            return EndedRights(token.user_id, token.family, ExpiryReason.LOGGED_OUT)

        await self._rights.change(decide)
