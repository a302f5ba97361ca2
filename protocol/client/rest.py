"""Registering, logging in, refreshing and logging out over REST."""

from typing import Any

import aiohttp
import msgspec

from protocol import codec
from protocol.auth import LoggedIn, Login, RefreshBody, Register
from protocol.errors import Error, Failure


class _Answer(msgspec.Struct):
    success: bool
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: Error | None = None


async def register(url: str, body: Register) -> LoggedIn:
    """Register and log in. Raises Failure as the server answers."""
    return codec.decode(LoggedIn, await _post(url, "register", body))


async def log_in(url: str, body: Login) -> LoggedIn:
    """Log in. Raises Failure as the server answers."""
    return codec.decode(LoggedIn, await _post(url, "login", body))


async def refresh(url: str, refresh_token: str) -> LoggedIn:
    """Trade a refresh token for a new pair. Raises Failure as the server answers."""
    return codec.decode(LoggedIn, await _post(url, "refresh", RefreshBody(refresh_token)))


async def log_out(url: str, refresh_token: str) -> None:
    """End a log-in; what it opened is closed. Raises Failure as the server answers."""
    await _post(url, "logout", RefreshBody(refresh_token))


async def _post(url: str, action: str, body: Any) -> msgspec.Raw:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/api/auth/{action}", data=codec.encode(body)) as response,
    ):
        answer = codec.decode(_Answer, await response.read())
    if answer.error is not None:
        raise Failure(answer.error)
    return answer.data
