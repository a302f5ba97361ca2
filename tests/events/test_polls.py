"""Polls: what may be lost on its way ends the session, so that its client comes back for it."""

import asyncio
import json
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import aiohttp
import pytest

from protocol.ids import uuid7
from server.transport.polling import PYTHON_MAX_PACKETS
from tests.support.battles import easy_battle
from tests.support.people import Person
from tests.support.polling import Polling
from tests.support.server import Server

pytestmark = pytest.mark.socketio

BROWSER = {"User-Agent": "Mozilla/5.0"}


@pytest.fixture
async def session(server: Server, alice: Person) -> AsyncIterator[Polling]:
    """Somebody who is connected by polling, as a browser would be."""
    assert alice.logged_in is not None
    async with aiohttp.ClientSession(headers=BROWSER) as http:
        yield await Polling(http, server.url).log_in(token=alice.logged_in.tokens.access_token)


def asked(number: int) -> str:
    """A query with a number for its answer."""
    return f'42{number}["players.get",{{}}]'


async def until_polled(session: Polling) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A poll over a connection of its own, that waits at the server."""
    url = urlsplit(f"{session.url}&t={uuid7()}")
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(f"GET {url.path}?{url.query} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    for _ in range(3):  # answered after it was read: all of this is one loop of the server
        assert await session.is_open()
    return reader, writer


async def test_answers_come_with_the_next_poll(session: Polling) -> None:
    reader, writer = await until_polled(session)
    assert await session.post(asked(1)) == 200
    assert b"431[" in await reader.readuntil(b"}]")
    assert await session.is_open()
    writer.close()


async def test_a_poll_that_breaks_off_ends_the_session(session: Polling) -> None:
    _, writer = await until_polled(session)
    writer.transport.abort()
    async with asyncio.timeout(10):
        while await session.is_open():  # until the server has seen the end of its connection
            continue


async def test_a_second_poll_while_the_first_waits_ends_the_session(session: Polling) -> None:
    reader, writer = await until_polled(session)
    assert (await session.poll()).status == 400
    assert b"200 OK" in await reader.readline()
    assert not await session.is_open()
    writer.close()


async def test_a_poll_that_is_sent_again_ends_the_session(session: Polling) -> None:
    await session.post(asked(1))
    assert (await session.poll("first")).packets[0].startswith("431")
    await session.post(asked(2))
    assert (await session.poll("first")).status == 400
    assert not await session.is_open()


@pytest.mark.parametrize(("agent", "at_once"), [("Mozilla/5.0", 30), ("Python/3", 16)])
async def test_a_python_client_gets_no_more_than_it_takes(
    server: Server, alice: Person, bob: Person, agent: str, at_once: int
) -> None:
    assert alice.logged_in is not None
    assert PYTHON_MAX_PACKETS == 16
    battle_id = await easy_battle(bob)
    join = json.dumps(["rooms.join", {"room": f"battle:{battle_id}"}])
    async with aiohttp.ClientSession(headers={"User-Agent": agent}) as http:
        session = await Polling(http, server.url).log_in(token=alice.logged_in.tokens.access_token)
        await session.post(f"421{join}")
        assert (await session.poll()).packets[0].startswith("431")
        for _ in range(15):
            await bob.ok("battles.join", battle_id=battle_id)
            await bob.ok("battles.leave", battle_id=battle_id)
        packets = (await session.poll()).packets
        assert len(packets) >= at_once if at_once == 30 else len(packets) == at_once
        while len(packets) < 32:  # the first join has started the battle and its wave
            packets += (await session.poll()).packets
