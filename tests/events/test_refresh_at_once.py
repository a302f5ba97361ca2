"""The same refresh token, sent many times at once over HTTP."""

import asyncio

import aiohttp

from protocol.auth import LoggedIn
from protocol.client import refresh
from tests.support.people import registered
from tests.support.server import Server

AT_ONCE = 10
LOG_INS = 20


async def answers(server: Server, token: str) -> list[tuple[int, str]]:
    """Every answer to a token that is sent at once over connections of their own: its status, and
    the refresh token in it."""

    async def one() -> tuple[int, str]:
        url = f"{server.url}/api/auth/refresh"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"refresh_token": token}) as answer,
        ):
            found = await answer.json()
        return answer.status, found["data"]["tokens"]["refresh_token"] if answer.ok else ""

    return await asyncio.gather(*(one() for _ in range(AT_ONCE)))


async def test_parallel_refreshes_give_one_successor_and_end_nothing(server: Server) -> None:
    async def check(logged_in: LoggedIn) -> None:
        found = await answers(server, logged_in.tokens.refresh_token)
        assert [status for status, _ in found] == [200] * AT_ONCE
        (successor,) = {token for _, token in found}
        await refresh(server.url, successor)

    for logged_in in [await registered(server.url) for _ in range(LOG_INS)]:
        await check(logged_in)
