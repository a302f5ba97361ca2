"""One log-in of a person: access tokens that are good now, for as long as it is needed."""

import asyncio
import contextlib
import time
from typing import Final

from protocol.auth import LoggedIn, Login
from protocol.client.client import Client
from protocol.client.rest import log_in, log_out, refresh
from protocol.errors import Code, Failure
from protocol.gateway import Renew

FRESH_RATIO: Final = 0.8
"""Of its life, so long a token is used: then there is time to trade it."""
AGAIN_S: Final = 5.0


class Session:
    """Logs in once, then refreshes. `token` is what a Client asks for; `close` logs out."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self._url = url
        self._login = Login(username, password)
        self._logged_in: LoggedIn | None = None
        self._fresh_until = 0.0
        self._one_asks = asyncio.Lock()

    async def token(self) -> str:
        """An access token that is good now. Raises Failure as the server answers.

        Raises ConnectionError where it does not.
        """
        async with self._one_asks:
            if self._logged_in is None or time.monotonic() >= self._fresh_until:
                began = time.monotonic()
                self._logged_in = await self._ask(self._logged_in)
                life_s = self._logged_in.tokens.expires_in
                self._fresh_until = began + life_s * FRESH_RATIO
            return self._logged_in.tokens.access_token

    async def keep(self, client: Client) -> None:
        """Put fresh tokens under an open connection, before each one expires, for ever."""
        while True:
            await asyncio.sleep(max(0.0, self._fresh_until - time.monotonic()))
            try:
                await client.ask(Renew(token=await self.token()))
            except (Failure, ConnectionError):
                # It expires, then, and the next connection asks for a token anew.
                await asyncio.sleep(AGAIN_S)

    async def close(self) -> None:
        """Log out, if the server can be reached: else the log-in ends by itself in days."""
        if self._logged_in is not None:
            with contextlib.suppress(Failure, ConnectionError):
                await log_out(self._url, self._logged_in.tokens.refresh_token)

    async def _ask(self, before: LoggedIn | None) -> LoggedIn:
        if before is not None:
            try:
                return await refresh(self._url, before.tokens.refresh_token)
            except Failure as e:
                if e.error.code is not Code.UNAUTHENTICATED:
                    raise
        return await log_in(self._url, self._login)
