"""How much one person and one address may send, and what an address is."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from protocol.ids import uuid7
from protocol.message import ADDRESS_RATES, RATES, Limit
from tests.support.people import PASSWORD, Person, connected, registered
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.wire import Transport, Wire

SCALE = "0.01"
RARE = round(ADDRESS_RATES[Limit.RARE][1] * float(SCALE))
"""How many may come at once from one address, in the class `rare`."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def direct(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with little room for an address, that trusts no proxy."""
    async with Server(tmp_path_factory.mktemp("direct"), ADDRESS_LIMIT_SCALE=SCALE) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def behind(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The same behind a proxy: whoever comes from this machine."""
    async with Server(
        tmp_path_factory.mktemp("behind"),
        ADDRESS_LIMIT_SCALE=SCALE,
        TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1",
    ) as started:
        yield started


async def logged_out(server: Server, times: int, *forwarded: str) -> list[tuple[int, Any]]:
    """Log out so often, each time with the next of these as X-Forwarded-For.

    Returns statuses and the headers `Retry-After`.
    """
    found = []
    async with aiohttp.ClientSession() as session:
        for n in range(times):
            headers = {"x-forwarded-for": forwarded[n % len(forwarded)]} if forwarded else {}
            async with session.post(
                f"{server.url}/api/auth/logout", json={"refresh_token": "none"}, headers=headers
            ) as answer:
                found.append((answer.status, answer.headers.get("retry-after")))
                if answer.status == 429:
                    error = (await answer.json())["error"]
                    assert error["code"] == "rate_limited"
                    assert 0 < error["retry_after_ms"] <= 1001
    return found


async def test_requests_are_counted_by_address(direct: Server) -> None:
    """Whatever is written into X-Forwarded-For."""
    made_up = [f"203.0.113.{n}" for n in range(RARE + 5)]
    found = await logged_out(direct, RARE + 5, *made_up)
    assert found[:RARE] == [(200, None)] * RARE
    assert (429, "1") in found[RARE:]


async def test_behind_a_proxy_they_are_counted_by_what_it_says(behind: Server) -> None:
    here, elsewhere = "203.0.113.7", "203.0.113.8"
    found = await logged_out(behind, RARE + 3, here)
    assert found[:RARE] == [(200, None)] * RARE
    assert (429, "1") in found[RARE:]
    # What the client wrote itself stands before what the proxy added.
    for forwarded in (f"{elsewhere}, {here}", f"{elsewhere},{here}, 10.1.2.3"):
        assert (429, "1") in await logged_out(behind, 3, forwarded)
    assert await logged_out(behind, 1, elsewhere) == [(200, None)]


async def test_an_ipv6_address_counts_with_all_its_neighbours(behind: Server) -> None:
    found = await logged_out(behind, RARE + 3, *(f"2001:db8:0:1::{n:x}" for n in range(RARE + 3)))
    assert found[:RARE] == [(200, None)] * RARE
    assert (429, "1") in found[RARE:]
    assert await logged_out(behind, 1, "2001:db8:0:2::1") == [(200, None)]


async def renewed(server: Server, *forwarded: str) -> list[str]:
    """People who connect with these as X-Forwarded-For send what is not accepted, six times each,
    which is fewer than one person may. Returns the codes of all."""
    async with beside(server) as office:  # to register is limited as well
        people = [Person(server.url, await office.person("player")) for _ in forwarded]
    codes: list[str] = []
    for person, address in zip(people, forwarded, strict=True):
        await person.connect(headers={"x-forwarded-for": address})
        answers = [await person.call("auth.renew", token="none") for _ in range(6)]
        codes += [answer["error"]["code"] for answer in answers]
        await person.close()
    return codes


async def test_messages_are_counted_by_address_too(behind: Server, transport: Transport) -> None:
    net = {"websocket": "198.51.100", "plain": "198.51.101"}[transport]
    shared = await renewed(behind, *[f"{net}.1"] * 3)
    assert shared[:RARE] == ["unauthenticated"] * RARE
    assert "rate_limited" in shared[RARE:]
    apart = await renewed(behind, f"{net}.2", f"{net}.3", f"{net}.4")
    assert apart == ["unauthenticated"] * 18


@pytest.mark.usefixtures("transport")
async def test_a_handshake_says_nothing_of_its_address_but_to_a_proxy(tmp_path: Path) -> None:
    async with Server(tmp_path / "data", ADDRESS_LIMIT_SCALE=SCALE) as server:
        codes = await renewed(server, "198.51.100.2", "198.51.100.3", "198.51.100.4")
    assert "rate_limited" in codes


async def polled(server: Server, **headers: str) -> int:
    """The status of a page's handshake."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{server.url}/socket.io/?EIO=4&transport=polling",
            headers={k.replace("_", "-"): v for k, v in headers.items()},
        ) as answer,
    ):
        return answer.status


async def websocket_opened(server: Server, **headers: str) -> bool:
    """Whether a page's handshake over WebSocket goes through."""
    given = {k.replace("_", "-"): v for k, v in headers.items()}
    url = f"{server.url}/socket.io/?EIO=4&transport=websocket"
    async with aiohttp.ClientSession() as session:
        try:
            async with session.ws_connect(url, headers=given) as socket:
                return (await socket.receive()).type is aiohttp.WSMsgType.TEXT
        except aiohttp.WSServerHandshakeError:
            return False


@pytest.mark.parametrize("proto", ["https", "wss"])
async def test_a_proxys_word_for_the_scheme_counts_and_nobody_elses(
    direct: Server, behind: Server, proto: str
) -> None:
    for server, believed in ((direct, False), (behind, True)):
        page = f"https://127.0.0.1:{server.port}"
        assert await polled(server, origin=f"http://127.0.0.1:{server.port}") == 200
        assert await polled(server, origin=page) == 403
        found = await polled(server, origin=page, x_forwarded_proto=proto)
        assert found == (200 if believed else 403)
        opened = await websocket_opened(server, origin=page, x_forwarded_proto=proto)
        assert opened is believed


async def evicted(server: Server) -> float:
    """How many were let go for flooding."""
    async with aiohttp.ClientSession() as session, session.get(f"{server.url}/metrics") as answer:
        found = re.search(
            r'^warroom_evicted_total\{reason="flooding"\} (\S+)$', await answer.text(), re.MULTILINE
        )
    return float(found[1]) if found else 0.0


async def test_who_goes_on_after_rate_limited_is_let_go(server: Server, bob: Person) -> None:
    before = await evicted(server)
    flood = await connected(server.url)
    for _ in range(250):
        await flood.tell("players.get")
    assert await flood.until_event("server.evicted") == {"reason": "flooding"}
    await flood.until_closed()
    assert await evicted(server) == before + 1
    await bob.ok("players.get")
    # Coming back is not forbidden, and its limit is where it was.
    again = await Person(server.url, flood.logged_in).connect()
    assert (await again.ok("players.get"))["player"]["player_id"] == again.id
    for person in (flood, again):
        await person.close()


@pytest.mark.usefixtures("transport")
async def test_what_can_not_be_read_is_no_way_around(server: Server) -> None:
    flood = await connected(server.url)
    for _ in range(250):
        await flood.mumble("mumble")
    assert await flood.until_event("server.evicted") == {"reason": "flooding"}
    await flood.close()


async def test_the_last_word_reaches_who_is_still_sending(
    server: Server, transport: Transport
) -> None:
    token = (await registered(server.url)).tokens.access_token
    flood = await Wire.connect(server.url, transport, token=token)
    for _ in range(2500):  # more than the server has read by the time that it has had enough
        await flood.tell("players.get")
    closed = await flood.until_closed()
    assert flood.named("server.evicted") == [{"reason": "flooding"}]
    assert closed.code == 1008 if transport == "plain" else closed.code != 1006


async def test_who_waits_as_told_stays(alice: Person) -> None:
    at_once = 2 * RATES[Limit.READ][1]
    answers = await asyncio.gather(*(alice.call("players.get") for _ in range(at_once)))
    errors = [answer["error"] for answer in answers if not answer["ok"]]
    assert {error["code"] for error in errors} == {"rate_limited"}
    for _ in errors:
        await alice.ok("players.get")
    assert alice.named("server.evicted") == []


async def test_registering_is_counted_by_address(tmp_path: Path) -> None:
    async with (
        Server(tmp_path / "data", ADDRESS_LIMIT_SCALE=SCALE) as server,
        aiohttp.ClientSession() as session,
    ):
        statuses = []
        for _ in range(RARE + 5):
            body = {"username": f"p{uuid7()[-12:]}", "password": PASSWORD}
            async with session.post(f"{server.url}/api/auth/register", json=body) as answer:
                statuses.append(answer.status)
    assert statuses[:RARE] == [201] * RARE
    assert 429 in statuses[RARE:]
