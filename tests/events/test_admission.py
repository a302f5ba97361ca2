"""How many connections one address and one person may have, over every transport."""

import itertools
from collections.abc import AsyncIterator
from typing import get_args

import aiohttp
import pytest
import pytest_asyncio

from tests.support.outside import metric, until
from tests.support.people import registered
from tests.support.server import Server
from tests.support.websocket import Refused
from tests.support.wire import NotLetIn, Transport, Wire

OF_ADDRESS, OF_PERSON = 30, 20
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
REFUSED = 'warroom_transport_refused_total{{reason="{}"}}'
FREE_WITHIN_S = 10.0
"""A place whose connection is gone."""

sources = (f"127.0.{net}.{n}" for net in itertools.count(1) for n in range(1, 255))
"""Addresses that nobody has come from yet."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def capped(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with few places, behind a proxy on this machine's own address."""
    async with Server(
        tmp_path_factory.mktemp("capped"),
        MAX_CONNECTIONS_PER_ADDRESS=str(OF_ADDRESS),
        MAX_CONNECTIONS_PER_USER=str(OF_PERSON),
        TRUSTED_PROXIES="127.0.0.1",
    ) as started:
        yield started


async def new_token(server: Server) -> str:
    """Somebody new."""
    return (await registered(server.url)).tokens.access_token


async def refusal(
    server: Server, transport: Transport, source: str, **headers: str
) -> tuple[int, str, str]:
    """What a handshake from an address is refused with: status, when to come again, words."""
    if transport == "polling":
        connector = aiohttp.TCPConnector(local_addr=(source, 0))
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        async with (
            aiohttp.ClientSession(connector=connector, headers=headers) as http,
            http.get(url) as answer,
        ):
            return answer.status, answer.headers.get("retry-after", ""), await answer.text()
    with pytest.raises(Refused) as refused:
        await Wire.open(server.url, transport, source=source, headers=headers)
    e = refused.value
    return e.status, e.headers.get("retry-after", ""), e.body


async def let_in(server: Server, transport: Transport, token: str, source: str) -> Wire:
    """A connection, once there is a place for it."""
    found: list[Wire] = []

    async def look() -> bool:
        try:
            found.append(await Wire.connect(server.url, transport, token=token, source=source))
        except (NotLetIn, ConnectionError):
            return False
        return True

    await until(look, FREE_WITHIN_S)
    return found[0]


async def all_gone(server: Server, *connections: Wire) -> None:
    """Drop connections, and wait until the server has seen that all are gone."""
    for connection in connections:
        await connection.drop()

    async def look() -> bool:
        return not await metric(server.url, "warroom_transports")

    await until(look, FREE_WITHIN_S)


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_one_address_has_so_many_places_and_no_more(capped: Server, way: Transport) -> None:
    """Whoever they are, over whichever transport: a place is taken by the handshake."""
    source, elsewhere, token = next(sources), next(sources), await new_token(capped)
    held = [
        await Wire.open(capped.url, TRANSPORTS[n % len(TRANSPORTS)], source=source)
        for n in range(OF_ADDRESS)
    ]
    before = await metric(capped.url, REFUSED.format("full_address"))
    # What it says of other addresses changes nothing: it is no proxy.
    for headers in {}, {"x-forwarded-for": "203.0.113.9"}:
        status, again, words = await refusal(capped, way, source, **headers)
        assert (status, again) == (429, "5")
        assert f"at most {OF_ADDRESS} concurrent connections per address" in words
    assert await metric(capped.url, REFUSED.format("full_address")) == before + 2
    beside = await Wire.connect(capped.url, way, source=elsewhere, token=token)
    assert (await beside.call("players.get"))["ok"]
    await held.pop().drop()
    again_in = await let_in(capped, way, token, source)
    assert (await again_in.call("players.get"))["ok"]
    await all_gone(capped, beside, again_in, *held)


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_behind_a_proxy_it_is_the_address_that_the_proxy_names(
    capped: Server, way: Transport
) -> None:
    """All of an IPv6 /64 are one."""
    net, neighbour = (f"2001:db8:{n}:{TRANSPORTS.index(way)}" for n in range(2))
    held = [
        await Wire.open(capped.url, way, headers={"x-forwarded-for": f"{net}::{n}"})
        for n in range(OF_ADDRESS)
    ]
    status, again, _ = await refusal(
        capped, way, "127.0.0.1", **{"x-forwarded-for": f"1.2.3.4, {net}:1::"}
    )
    assert (status, again) == (429, "5")
    held.append(await Wire.open(capped.url, way, headers={"x-forwarded-for": f"{neighbour}::1"}))
    await all_gone(capped, *held)


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_one_person_has_so_many_places_from_all_addresses(
    capped: Server, way: Transport
) -> None:
    token, other, source = await new_token(capped), await new_token(capped), next(sources)
    held = [
        await Wire.connect(capped.url, TRANSPORTS[n % 3], token=token, source=next(sources))
        for n in range(OF_PERSON)
    ]
    before = await metric(capped.url, REFUSED.format("full_person"))
    with pytest.raises(NotLetIn) as refused:
        await Wire.connect(capped.url, way, token=token, source=source)
    assert refused.value.error == {
        "code": "rate_limited",
        "message": f"at most {OF_PERSON} concurrent connections per user",
        "retry_after_ms": 5000,
    }
    if way == "plain":
        status, again, _ = await refusal(capped, way, source, authorization=f"Bearer {token}")
        assert (status, again) == (429, "5")
    assert await metric(capped.url, REFUSED.format("full_person")) > before
    held.append(await Wire.connect(capped.url, way, token=other, source=source))
    await held.pop(0).drop()
    held.append(await let_in(capped, way, token, source))
    assert (await held[-1].call("players.get"))["ok"]
    await all_gone(capped, *held)
