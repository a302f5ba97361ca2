"""Adding people: those who register, and those whom an operator adds."""

from collections.abc import Callable
from typing import TypeVar

from protocol.auth import AuthReason
from protocol.errors import busy, conflict
from protocol.ids import uuid7
from protocol.permissions import Role
from protocol.times import rfc3339
from server.auth.passwords import Passwords
from server.database import Database, Stale, Work
from server.runtime.clock import Clock
from server.users import User, Users

R = TypeVar("R")

Beside = Callable[[Work, User, int], R]
"""Adds to the unit that adds a person: given the work, the person, the time."""


class Newcomers:
    """The one way in which people come to be."""

    def __init__(
        self, database: Database, users: Users, passwords: Passwords, clock: Clock
    ) -> None:
        self._database = database
        self._users = users
        self._passwords = passwords
        self._clock = clock
        self._with_each: list[Beside[None]] = []

    def with_each(self, beside: Beside[None]) -> None:
        """Ask to add to the unit of every newcomer."""
        self._with_each.append(beside)

    async def add(
        self, username: str, password: str, role: Role, email: str | None, beside: Beside[R]
    ) -> R:
        """Add a person. Returns what `beside` gives, which adds to the same unit.

        Raises Failure `conflict` username_taken or email_taken, `invalid`, `busy`.
        """
        await self._check_free(username, email)
        password_hash = await self._passwords.hash(password)
        now = self._clock.now_ms()
        user = User(uuid7(), username, email, password_hash, role, False, now)
        work = Work(rfc3339(now))
        self._users.add(work, user)
        for one in self._with_each:
            one(work, user, now)
        found = beside(work, user, now)
        try:
            await self._database.writer.submit(work, b"", None)
        except Stale:
            # Somebody took the name or the address since it was looked up.
            await self._check_free(username, email)
            raise busy("too many register at once") from None
        return found

    async def _check_free(self, username: str, email: str | None) -> None:
        if await self._users.by_name(username) is not None:
            raise conflict(AuthReason.USERNAME_TAKEN, "the username is taken", field="username")
        if email is not None and await self._users.by_email(email) is not None:
            raise conflict(AuthReason.EMAIL_TAKEN, "the e-mail address is taken", field="email")
