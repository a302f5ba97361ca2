"""What an operator does on the command line: people, by name, and service keys."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from protocol import actors, codec
from protocol.auth import ServiceName
from protocol.gateway import ExpiryReason
from protocol.ids import uuid7
from protocol.pages import Page
from protocol.permissions import SCOPES, Role
from protocol.secret import KEY_PREFIX
from protocol.times import rfc3339
from protocol.users import UserView
from server.audit import AuditLog
from server.auth.people import Changed, People
from server.auth.rights import EndedRights, Rights
from server.auth.store import ListedKey, Logins
from server.database import Database, Work, retry_while_stale
from server.gateway import Act
from server.runtime.clock import Clock
from server.users import User

ACTOR_NAME: Final = "command line"
"""The name of the actor: the operating system let them in, and it is not known who that is."""


class _Service(msgspec.Struct, frozen=True):
    """What is given of a service: others see its name."""

    name: ServiceName


Put = Callable[[Work, User], Awaitable[Changed]]
"""Puts a change of a person into a unit."""


def _work(now: int) -> Work:
    """A unit of the command line.

    Its audit row has no id of an actor, as there is none; its events have `server:cli`.
    """
    return Work(rfc3339(now), actor=actors.COMMAND_LINE, on_others=True)


class Accounts:
    """People and services, by name. What has them open is closed where their rights change.

    A person is named by username or e-mail address; ValueError says that there is nobody.
    """

    def __init__(
        self, database: Database, people: People, rights: Rights, trail: AuditLog, clock: Clock
    ) -> None:
        self._database = database
        self._users = people.users
        self._people = people
        self._logins = Logins(database.reader)
        self._rights = rights
        self._trail = trail
        self._clock = clock

    async def page(
        self,
        search: str = "",
        role: Role | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[UserView]:
        """People by username, whose name or e-mail address contains a text. As `users.list`."""
        return await self._users.page(search, role, limit, cursor)

    async def add(
        self, username: str, password: str, role: Role, email: str | None = None
    ) -> UserView:
        """Add a person. Raises Failure `conflict`, `invalid` for the password, `busy`."""
        hashing = self._people.hashing(password)

        async def attempt() -> UserView:
            now = self._clock.now_ms()
            work = _work(now)
            user = await self._people.add(work, username, hashing, role, email, now)
            self._record(work, "users.create", user.id, now)
            await self._database.commit(work)
            return user.view

        return await retry_while_stale(attempt)

    async def set_role(self, name: str, role: Role) -> None:
        """Give a person another role. Their log-ins stay: refreshing gives a token with the role.

        Raises ValueError, Failure `refused` last_admin, `busy`.
        """
        await self._change(
            name, "users.update", lambda work, user: self._people.update(work, user, role=role)
        )

    async def set_password(self, name: str, password: str) -> None:
        """Give a person another password, and end all their log-ins.

        Raises ValueError, Failure `invalid`, `busy`.
        """
        await self._change(
            name,
            "users.update",
            lambda work, user: self._people.update(work, user, password=password),
        )

    async def disable(self, name: str) -> None:
        """Keep a person out, and end all their log-ins. Raises as `set_role`."""
        await self._change(name, "users.disable", self._people.disable)

    async def enable(self, name: str) -> None:
        """Let a person in again: they log in anew. Raises ValueError, Failure `busy`."""

        async def enable(work: Work, user: User) -> Changed:
            return self._people.enable(work, user)

        await self._change(name, "users.enable", enable)

    async def delete(self, name: str) -> None:
        """Delete a person, as `users.delete`. Raises as `set_role`."""

        async def decide(work: Work, now: int) -> EndedRights:
            user = await self._person(name)
            ended = await self._people.delete(work, user, now)
            self._record(work, "users.delete", user.id, now)
            return ended

        await self._rights.change(decide, actors.COMMAND_LINE)

    async def _change(self, name: str, action: str, put: Put) -> None:
        async def decide(work: Work, now: int) -> EndedRights | None:
            user = await self._person(name)
            changed = await put(work, user)
            if work.changes:  # else there is nothing to change
                self._record(work, action, user.id, now)
            return changed.ended

        await self._rights.change(decide, actors.COMMAND_LINE)

    def _record(self, work: Work, action: str, target: str, now: int) -> None:
        self._trail.record(work, Act(action, target, None, ACTOR_NAME, "", now))

    async def add_service_key(self, name: str, scopes: list[str]) -> str:
        """Make a service key: shown once, stored hashed. Raises ValueError, Failure `busy`."""
        if unknown := set(scopes) - SCOPES:
            known = ", ".join(sorted(SCOPES))
            raise ValueError(f"no such scope: {', '.join(sorted(unknown))} (there are: {known})")
        try:
            codec.convert({"name": name}, _Service)
        except codec.UNREADABLE as e:
            raise ValueError(codec.unreadable(e).error.message) from None
        key = f"{KEY_PREFIX}{secrets.token_urlsafe(32)}"

        async def attempt() -> None:
            if await self._logins.find_key_named(name) is not None:
                raise ValueError(f"there is a service key named {name} already")
            now, key_id = self._clock.now_ms(), uuid7()
            work = _work(now)
            self._logins.add_key(work, key_id, name, key, " ".join(sorted(set(scopes))), now)
            self._record(work, "service_keys.create", key_id, now)
            await self._database.commit(work)

        await retry_while_stale(attempt)
        return key

    async def service_keys(self) -> list[ListedKey]:
        """All service keys, by name, also those that were revoked."""
        return await self._logins.keys()

    async def revoke_service_key(self, name: str) -> None:
        """End a service key. Raises ValueError where there is no such key; Failure `busy`."""

        async def decide(work: Work, now: int) -> EndedRights | None:
            found = await self._logins.find_key_named(name)
            if found is None:
                raise ValueError(f"there is no service key named {name}")
            key_id, revoked = found
            if revoked:
                return None
            self._logins.revoke_key(work, key_id)
            self._record(work, "service_keys.revoke", key_id, now)
            return EndedRights(key_id, None, ExpiryReason.REVOKED)

        await self._rights.change(decide, actors.COMMAND_LINE)

    async def _person(self, name: str) -> User:
        user = await self._users.by_login(name)
        if user is None:
            raise ValueError(f"there is nobody named {name}")
        return user
