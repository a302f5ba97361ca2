"""What an operator does to those who may come in: roles, people kept out, service keys."""

import secrets

from protocol.gateway import ExpiryReason
from protocol.ids import uuid7
from protocol.permissions import SCOPES, Role
from protocol.secret import KEY_PREFIX
from protocol.times import rfc3339
from server.auth.newcomers import Newcomers
from server.auth.passwords import Passwords
from server.auth.rights import Ended, Rights
from server.auth.store import ListedKey, Logins
from server.database import Database, Stale, Work
from server.runtime.clock import Clock
from server.users import User, Users


class Accounts:
    """People and services, by name. What has them open is closed where their rights change."""

    def __init__(
        self,
        database: Database,
        users: Users,
        newcomers: Newcomers,
        passwords: Passwords,
        rights: Rights,
        clock: Clock,
    ) -> None:
        self._database = database
        self._newcomers = newcomers
        self._passwords = passwords
        self._users = users
        self._logins = Logins(database.reader)
        self._rights = rights
        self._clock = clock

    async def add(self, username: str, password: str, role: Role, email: str | None = None) -> User:
        """Add a person. Raises Failure as `Newcomers.add` does."""
        return await self._newcomers.add(username, password, role, email, lambda _, user, __: user)

    async def page(
        self, search: str = "", role: Role | None = None, most: int = 200, after: str = ""
    ) -> list[User]:
        """People by username, as `Users.page` gives them."""
        return await self._users.page(search, role, most, after)

    async def set_password(self, name: str, password: str) -> None:
        """Give a person another password, and end all their log-ins.

        Raises ValueError where there is no such person; Failure `invalid`, `busy`.
        """
        await self._person(name)
        password_hash = await self._passwords.hash(password)

        async def decide(work: Work, _: int) -> Ended:
            user = await self._person(name)
            self._users.set_password(work, user, password_hash)
            self._logins.revoke_all(work, user.id)
            return Ended(user.id, None, ExpiryReason.LOGGED_OUT)

        await self._rights.change(decide)

    async def set_role(self, name: str, role: Role) -> None:
        """Give a person another role. Their log-ins stay: refreshing gives a token with the role.

        Raises ValueError where there is no such person, or no admin would be left; Failure `busy`.
        """

        async def decide(work: Work, _: int) -> Ended | None:
            user = await self._person(name)
            if user.role is role:
                return None
            await self._check_admins(user)
            self._users.set_role(work, user, role)
            return Ended(user.id, None, ExpiryReason.RIGHTS_CHANGED)

        await self._rights.change(decide)

    async def disable(self, name: str) -> None:
        """Keep a person out, and end all their log-ins. Raises as `set_role`."""

        async def decide(work: Work, _: int) -> Ended | None:
            user = await self._person(name)
            if user.disabled:
                return None
            await self._check_admins(user)
            self._users.set_disabled(work, user, True)
            self._logins.revoke_all(work, user.id)
            return Ended(user.id, None, ExpiryReason.DISABLED)

        await self._rights.change(decide)

    async def enable(self, name: str) -> None:
        """Let a person in again: they log in anew. Raises ValueError where there is nobody."""
        user = await self._person(name)
        if user.disabled:
            work = Work(rfc3339(self._clock.now_ms()))
            self._users.set_disabled(work, user, False)
            try:
                await self._database.writer.submit(work, b"", None)
            except Stale:
                raise ValueError(f"{name} was changed at the same moment: look again") from None

    async def add_service_key(self, name: str, scopes: list[str]) -> str:
        """Make a service key: shown once, stored hashed. Raises ValueError."""
        if unknown := set(scopes) - SCOPES:
            known = ", ".join(sorted(SCOPES))
            raise ValueError(f"no such scope: {', '.join(sorted(unknown))} (there are: {known})")
        key = f"{KEY_PREFIX}{secrets.token_urlsafe(32)}"
        now = self._clock.now_ms()
        work = Work(rfc3339(now))
        self._logins.add_key(work, uuid7(), name, key, " ".join(sorted(set(scopes))), now)
        try:
            await self._database.writer.submit(work, b"", None)
        except Stale:
            raise ValueError(f"there is a service key named {name} already") from None
        return key

    async def service_keys(self) -> list[ListedKey]:
        """All service keys, by name, also those that were revoked."""
        return await self._logins.keys()

    async def revoke_service_key(self, name: str) -> None:
        """End a service key. Raises ValueError where there is no such key; Failure `busy`."""

        async def decide(work: Work, _: int) -> Ended | None:
            found = await self._logins.find_key_named(name)
            if found is None:
                raise ValueError(f"there is no service key named {name}")
            key_id, revoked = found
            if revoked:
                return None
            self._logins.revoke_key(work, key_id)
            return Ended(key_id, None, ExpiryReason.REVOKED)

        await self._rights.change(decide)

    async def _person(self, name: str) -> User:
        user = await self._users.by_name(name)
        if user is None:
            raise ValueError(f"there is nobody named {name}")
        return user

    async def _check_admins(self, user: User) -> None:
        """Raises ValueError where nobody could administer without the person."""
        if user.administers and not await self._users.another_admin(user):
            raise ValueError(f"{user.username} is the last admin: make somebody else admin first")
