"""What is decided about people: who is added, changed, kept out, deleted, and what ends with it.

Each decision is put into a unit of work that is not committed yet: a command commits it with its
reply, the command line without one.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from msgspec import UNSET, UnsetType

from protocol.errors import conflict, not_found, refused
from protocol.gateway import ExpiryReason
from protocol.ids import uuid7
from protocol.permissions import Role
from protocol.users import UserReason
from server.auth.passwords import Passwords
from server.auth.rights import EndedRights
from server.auth.store import Logins
from server.auth.turns import HashKind
from server.database import Work
from server.users import User, Users


class Changed(NamedTuple):
    """A person as they will be, and what ends once that is committed."""

    user: User
    ended: EndedRights | None = None


Hashing = Callable[[], Awaitable[str]]
"""Gives the hash of a password, once it is its turn."""


class People:
    """Decisions about people."""

    def __init__(self, users: Users, passwords: Passwords) -> None:
        self.users = users
        self._passwords = passwords

    async def find(self, user_id: str) -> User:
        """The person with this id. Raises Failure `not_found`."""
        user = await self.users.by_id(user_id)
        if user is None:
            raise not_found("user")
        return user

    async def check_registrable(self, username: str) -> None:
        """Raises Failure `conflict` username_reserved. Only for users who register themselves."""
        if await self.users.name_reserved(username):
            words = "the username is reserved, or looks like a reserved one"
            raise conflict(UserReason.USERNAME_RESERVED, words, field="username")

    async def check_free(self, username: str, email: str | None, now: int) -> None:
        """Raises Failure `conflict` username_taken or email_taken."""
        rests = await self.users.name_rests(username, now)
        if rests or await self.users.by_name(username) is not None:
            raise conflict(UserReason.USERNAME_TAKEN, "the username is taken", field="username")
        if email is not None:
            await self._check_email(email)

    async def _check_email(self, email: str) -> None:
        if await self.users.by_email(email) is not None:
            raise conflict(UserReason.EMAIL_TAKEN, "the e-mail address is taken", field="email")

    def hashing(
        self, password: str, network: str = "", kind: HashKind = HashKind.LOG_IN
    ) -> Hashing:
        """Hash a password at the first call, and give the same hash from then on.

        So a decision that is made again costs no second hash. `network` and `kind` say whose turn
        it is: see `Passwords.hash`, whose Failures a call raises.
        """
        hashed: list[str] = []

        async def once() -> str:
            if not hashed:
                hashed.append(await self._passwords.hash(password, network, kind))
            return hashed[0]

        return once

    async def add(
        self,
        work: Work,
        username: str,
        hashing: Hashing,
        role: Role,
        email: str | None,
        now: int,
    ) -> User:
        """Add a person, and all that others give whoever is new. Stale where a name is taken.

        Raises Failure `conflict` as `check_free`, `invalid` for the password, `busy`.
        """
        await self.check_free(username, email, now)
        password_hash = await hashing()
        user = User(uuid7(), username, email, password_hash, role, disabled=False, created_at=now)
        self.users.add(work, user)
        return user

    async def update(
        self,
        work: Work,
        user: User,
        *,
        role: Role | None = None,
        email: str | UnsetType | None = UNSET,
        password: str | None = None,
        network: str = "",
    ) -> Changed:
        """Change what is given. Another role is refreshed into; a new password ends all log-ins.

        Raises Failure `refused` last_admin, `conflict` email_taken, `invalid` for the password,
        `busy`.
        """
        wanted = user._replace(
            role=user.role if role is None else role,
            email=user.email if isinstance(email, UnsetType) else email,
        )
        if wanted.email is not None and wanted.email.casefold() != (user.email or "").casefold():
            await self._check_email(wanted.email)
        if password is not None:
            wanted = wanted._replace(password_hash=await self._passwords.hash(password, network))
        if wanted == user:
            return Changed(user)
        await self._check_admins(user, wanted)
        self.users.save(work, user, wanted)
        if password is not None:
            Logins.revoke_all(work, user.id)
            return Changed(wanted, EndedRights(user.id, None, ExpiryReason.LOGGED_OUT))
        if wanted.role is not user.role:
            return Changed(wanted, EndedRights(user.id, None, ExpiryReason.RIGHTS_CHANGED))
        return Changed(wanted)

    async def disable(self, work: Work, user: User) -> Changed:
        """Keep a person out, and end all their log-ins. Raises Failure `refused` last_admin."""
        if user.disabled:
            return Changed(user)
        wanted = user._replace(disabled=True)
        await self._check_admins(user, wanted)
        self.users.save(work, user, wanted)
        Logins.revoke_all(work, user.id)
        return Changed(wanted, EndedRights(user.id, None, ExpiryReason.DISABLED))

    def enable(self, work: Work, user: User) -> Changed:
        """Let a person in again: they log in anew."""
        if not user.disabled:
            return Changed(user)
        wanted = user._replace(disabled=False)
        self.users.save(work, user, wanted)
        return Changed(wanted)

    async def delete(self, work: Work, user: User, now: int) -> EndedRights:
        """Delete a person and what belongs to them. Commit it with no wait in between.

        Raises Failure `refused` last_admin, Unavailable.
        """
        await self._check_admins(user, None)
        await self.users.delete(work, user, now)
        return EndedRights(user.id, None, ExpiryReason.DELETED)

    async def _check_admins(self, user: User, wanted: User | None) -> None:
        """Raises Failure where nobody could administer any more."""
        stays = wanted is not None and wanted.administers
        if user.administers and not stays and not await self.users.another_admin(user):
            words = f"{user.username} is the last admin: make another user admin first"
            raise refused(UserReason.LAST_ADMIN, words)
