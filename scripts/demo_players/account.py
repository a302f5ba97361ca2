"""Somebody with a log-in, and access tokens that are good when they are asked for."""

import time
from typing import Final, Self

from protocol.auth import LoggedIn, Register
from protocol.client import refresh, register

EARLY_S: Final = 30.0


class Account:
    """One person."""

    def __init__(self, url: str, logged_in: LoggedIn) -> None:
        self._url = url
        self._take(logged_in)

    @classmethod
    async def register(cls, url: str, name: str, password: str) -> Self:
        """Somebody new. Raises Failure as the server answers."""
        return cls(url, await register(url, Register(name, password)))

    def _take(self, logged_in: LoggedIn) -> None:
        self.id = logged_in.user.id
        self.name = logged_in.user.username
        self._tokens = logged_in.tokens
        self._good_until = time.monotonic() + logged_in.tokens.expires_in - EARLY_S

    async def token(self) -> str:
        """An access token that is good now: what a `Client` asks for at every connect."""
        if time.monotonic() > self._good_until:
            self._take(await refresh(self._url, self._tokens.refresh_token))
        return self._tokens.access_token
