"""A stranger who guesses a password keeps its user out of no other network."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from protocol.ids import uuid7
from protocol.message import RATES, Limit
from tests.support.people import PASSWORD
from tests.support.server import Server

HOME, THIRD, ATTACKER = "192.0.2.1", "198.51.100.1", "203.0.113.1"
GUESSES = 60
RATE, AT_ONCE = RATES[Limit.LOGIN]


class Networks:
    """Clients behind a proxy that says where they are."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._url = f"{server.url}/api/auth/"
        self._session = session

    async def post(self, action: str, network: str, **body: str) -> int:
        """The status of an answer."""
        headers = {"x-forwarded-for": network}
        async with self._session.post(self._url + action, json=body, headers=headers) as answer:
            await answer.read()
            return answer.status

    async def log_in(self, name: str, network: str, password: str = PASSWORD) -> int:
        """The status of a log-in."""
        return await self.post("login", network, username=name, password=password)


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    """A server that believes a proxy on this machine."""
    async with (
        Server(tmp_path / "data", TRUSTED_PROXIES="127.0.0.1") as server,
        aiohttp.ClientSession() as session,
    ):
        yield Networks(server, session)


async def test_who_guesses_keeps_the_user_out_of_no_other_network(networks: Networks) -> None:
    name = f"p{uuid7()[-12:]}"
    assert await networks.post("register", HOME, username=name, password=PASSWORD) == 201
    began = time.monotonic()

    async def guess() -> Counter[int]:
        guesses = (networks.log_in(name, ATTACKER, f"guess {n}") for n in range(GUESSES))
        return Counter(await asyncio.gather(*guesses))

    found = await guess()
    more = asyncio.create_task(guess())
    statuses = {await networks.log_in(name, network) for network in (HOME, THIRD) * 6}
    found += await more
    assert statuses == {200}
    assert set(found) == {401, 429}
    assert found[401] <= AT_ONCE + RATE * (time.monotonic() - began) + 1


async def test_an_ipv6_network_is_known_by_its_64_bits(networks: Networks) -> None:
    name = f"p{uuid7()[-12:]}"
    home, elsewhere = "2001:db8:1:2::{}", "2001:db8:{}::1"
    await networks.post("register", home.format("a"), username=name, password=PASSWORD)
    for n in range(GUESSES):
        await networks.log_in(name, elsewhere.format(f"{n:x}"), "guess")
    assert await networks.log_in(name, elsewhere.format("ffff")) == 429
    assert await networks.log_in(name, home.format("b")) == 200
