"""How many connections one address and one person may have, over every transport."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import pytest_asyncio

from protocol.message import ADDRESS_RATES, Limit
from tests.support.outside import until
from tests.support.people import handshake, registered
from tests.support.server import Server
from tests.support.websocket import Refused
from tests.support.wire import NotLetIn, Transport, Wire

OF_ADDRESS, OF_PERSON = 6, 3
TRANSPORTS: tuple[Transport, ...] = get_args(Transport)
HELD_S = 10.0
"""Within which a place is free again whose connection is gone."""


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


async def status_of(server: Server, transport: Transport, source: str) -> tuple[int, str | None]:
    """What a handshake from an address is refused with: its status, and when to come again."""
    if transport == "polling":
        connector = aiohttp.TCPConnector(local_addr=(source, 0))
        url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        async with aiohttp.ClientSession(connector=connector) as http, http.get(url) as answer:
            assert "at most" in await answer.text()
            return answer.status, answer.headers.get("retry-after")
    with pytest.raises(Refused, match="at most") as refused:
        await Wire.open(server.url, transport, source=source)
    return refused.value.status, refused.value.headers.get("retry-after")


async def let_in(server: Server, transport: Transport, token: str, **options: Any) -> Wire:
    """A connection, once there is a place for it."""
    found: list[Wire] = []

    async def look() -> bool:
        try:
            found.append(await Wire.connect(server.url, transport, token=token, **options))
        except (NotLetIn, ConnectionError):
            return False
        return True

    await until(look, HELD_S)
    return found[0]


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_one_address_has_so_many_places_and_no_more(capped: Server, way: Transport) -> None:
    """Whoever they are, over whichever way: a place is taken by the handshake."""
    source = f"127.0.1.{TRANSPORTS.index(way) + 1}"
    token = (await registered(capped.url)).tokens.access_token
    held = [
        await Wire.open(capped.url, TRANSPORTS[n % len(TRANSPORTS)], source=source)
        for n in range(OF_ADDRESS)
    ]
    assert await status_of(capped, way, source) == (429, "5")
    # What it says of other addresses changes nothing: it is no proxy.
    with pytest.raises((Refused, ConnectionError)):
        await Wire.open(capped.url, way, source=source, headers={"x-forwarded-for": "203.0.113.9"})
    elsewhere = await Wire.connect(capped.url, way, source="127.0.1.99", token=token)
    assert (await elsewhere.call("players.get"))["ok"]
    await elsewhere.close()
    await held.pop().drop()
    again = await let_in(capped, way, token, source=source)
    assert (await again.call("players.get"))["ok"]
    for wire in (*held, again):
        await wire.drop()


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_behind_a_proxy_it_is_the_address_that_the_proxy_names(
    capped: Server, way: Transport
) -> None:
    """All of an IPv6 /64 are one."""
    net = f"2001:db8:0:{TRANSPORTS.index(way)}"
    held = [
        await Wire.open(capped.url, way, headers={"x-forwarded-for": f"{net}::{n}"})
        for n in range(OF_ADDRESS)
    ]
    with pytest.raises((Refused, ConnectionError), match="429"):
        await Wire.open(capped.url, way, headers={"x-forwarded-for": f"{net}:1::"})
    other = {"x-forwarded-for": f"2001:db8:1:{TRANSPORTS.index(way)}::1"}
    held.append(await Wire.open(capped.url, way, headers=other))
    for wire in held:
        await wire.drop()


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_one_person_has_so_many_places_from_all_addresses(
    capped: Server, way: Transport
) -> None:
    token = (await registered(capped.url)).tokens.access_token
    held = [
        await Wire.connect(capped.url, TRANSPORTS[n], token=token, source=f"127.0.2.{n + 1}")
        for n in range(OF_PERSON)
    ]
    error = (await handshake(capped.url, way, {"token": token}))["error"]
    assert error["code"] == "rate_limited"
    assert error["message"] == f"at most {OF_PERSON} connections at once of one person"
    assert error["retry_after_ms"] == 5000
    other = (await registered(capped.url)).tokens.access_token
    await (await Wire.connect(capped.url, way, token=other)).close()
    await held.pop().drop()
    held.append(await let_in(capped, way, token))
    assert (await held[-1].call("players.get"))["ok"]
    for wire in held:
        await wire.drop()


async def test_a_header_that_logs_in_is_refused_likewise(capped: Server) -> None:
    token = (await registered(capped.url)).tokens.access_token
    headers = {"authorization": f"Bearer {token}"}
    held = [await Wire.open(capped.url, "plain", headers=headers) for _ in range(OF_PERSON)]
    with pytest.raises(Refused, match="of one person") as refused:
        await Wire.open(capped.url, "plain", headers=headers)
    assert (refused.value.status, refused.value.headers["retry-after"]) == (429, "5")
    for wire in held:
        await wire.drop()


async def test_handshakes_are_counted_by_address(tmp_path: Path) -> None:
    """Also those that are closed again at once."""
    scale = 0.01
    at_once = round(ADDRESS_RATES[Limit.CONNECT][1] * scale)
    async with Server(tmp_path / "data", ADDRESS_LIMIT_SCALE=str(scale)) as server:
        for n in range(at_once):
            wire = await Wire.open(server.url, ("websocket", "plain")[n % 2])
            await wire.drop()
        for transport in TRANSPORTS:
            assert await status_of(server, transport, "127.0.0.1") == (429, "1")
        assert (await Wire.open(server.url, source="127.0.0.2")).is_open
