"""Registering, logging in, refreshing and logging out over REST.

All of them raise Failure as the server answers, and ConnectionError where it does not.
"""

from typing import Any, Final

import aiohttp
import msgspec

from protocol import codec
from protocol.auth import LoggedIn, Login, RefreshBody, Register
from protocol.errors import Error, Failure

ANSWER_S: Final = 30.0


class _Answer(msgspec.Struct):
    success: bool
    data: msgspec.Raw = msgspec.Raw(b"null")
    error: Error | None = None


async def register(url: str, body: Register) -> LoggedIn:
    """Register and log in."""
    return codec.decode(LoggedIn, await _post(url, "register", body))


async def log_in(url: str, body: Login) -> LoggedIn:
    """Log in."""
    return codec.decode(LoggedIn, await _post(url, "login", body))


async def refresh(url: str, refresh_token: str) -> LoggedIn:
    """Trade a refresh token for a new pair."""
    return codec.decode(LoggedIn, await _post(url, "refresh", RefreshBody(refresh_token)))


async def log_out(url: str, refresh_token: str) -> None:
    """End a log-in; what it opened is closed."""
    await _post(url, "logout", RefreshBody(refresh_token))


async def _post(url: str, action: str, body: Any) -> msgspec.Raw:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(ANSWER_S)) as session,
            session.post(f"{url}/api/auth/{action}", data=codec.encode(body)) as response,
        ):
            text = await response.read()
    except (aiohttp.ClientError, TimeoutError) as e:
        raise ConnectionError(f"{url} can't be reached: {e or type(e).__name__}") from e
    try:
        answer = codec.decode(_Answer, text)
    except Failure as e:
        raise ConnectionError(f"{url} is not a Warroom server") from e
    if answer.error is not None:
        raise Failure(answer.error)
    return answer.data
