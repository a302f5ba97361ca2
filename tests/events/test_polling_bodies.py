"""Bodies of polling, and requests that break off: what can't be read ends its session, and
nothing that was taken in is thrown away."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support.people import registered
from tests.support.polling import Polling
from tests.support.server import Server

MANY = 50
"""More messages than python-engineio reads from one body by itself."""


@pytest.fixture
async def poll(server: Server) -> AsyncIterator[Polling]:
    """Somebody who polls; nothing of it is logged."""
    size = server.log_size()
    token = (await registered(server.url)).tokens.access_token
    async with aiohttp.ClientSession() as http:
        poll = await Polling(http, server.url).log_in(token=token)
        # What comes while a log-in is under way is read after it: an answer shows that it is over.
        assert await poll.post('420["rooms.leave",{"room":"nothing"}]') == 200
        assert (await poll.poll()).packets[0].startswith("430[")
        yield poll
    known = ("connected", "disconnected", "transport_refused", "user_registered")
    assert [line for line in server.logged(size) if line["event"] not in known] == []


async def test_all_messages_of_one_body_are_answered(poll: Polling) -> None:
    body = "\x1e".join(f'42{n}["rooms.leave",{{"room":"nothing"}}]' for n in range(MANY))
    assert await poll.post_body(body.encode()) == 200
    answers: list[str] = []
    while len(answers) < MANY:
        answers += (await poll.poll()).packets
    numbers = [int(frame[2:].partition("[")[0]) for frame in answers]
    assert numbers == list(range(MANY))


@pytest.mark.parametrize("body", [b"", b"6", b"42", b"43", b"40{bad", b"bAAAA"])
async def test_a_packet_that_is_no_message_is_passed_over(poll: Polling, body: bytes) -> None:
    assert await poll.post_body(body) == 200
    assert await poll.post_body(b'427["players.get"]') == 200
    said = (await poll.poll()).packets
    while not said[-1].startswith("437["):
        said += (await poll.poll()).packets
    assert all(frame.startswith(("437[", "44{")) for frame in said)


@pytest.mark.parametrize(
    "body",
    [
        *(b"x", b"\xff\xff", b"\x1e", b"42\x1e", b"d=", b"d=4", b"7", b"9x", b"bAAA", b"b\xc3\xa4"),
        *(b"0", b"2", b"4", b"4{}", b"44", b"4x", "٤2[]".encode()),
        b"\x1e".join([b"42"] * 1025),
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_a_body_that_is_not_made_of_packets_ends_the_session(
    poll: Polling, body: bytes
) -> None:
    assert await poll.post_body(body) == 400
    assert await poll.post_body(b'427["players.get"]') == 400


async def test_a_body_in_pieces_is_taken(poll: Polling) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b'427["play', b'ers.get"]'):
            yield piece

    async with poll.http.post(poll.url, data=pieces()) as answer:
        assert (answer.status, await answer.text()) == (200, "ok")
    assert ((await poll.poll()).packets)[-1].startswith("437[")


async def test_a_body_that_never_ends_ends_the_session(poll: Polling) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"4" * 32_768

    assert await poll.post_body(pieces()) == 413
    assert await poll.post_body(b"") == 400


@pytest.mark.parametrize("body", [b"", b"{", b'427["rooms.leave",{"room":"x"}]\x1e42'])
@pytest.mark.parametrize("path", ["/api/auth/login", "/socket.io/"])
async def test_a_request_that_breaks_off_is_no_fault(
    server: Server, poll: Polling, path: str, body: bytes
) -> None:
    target = poll.url.removeprefix(server.url) if path == "/socket.io/" else path
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert not await reader.read()
    # Another request is answered, and by then the one before has ended too.
    async with poll.http.get(f"{server.url}/health/live") as answer:
        assert answer.status == 200


async def test_a_body_that_breaks_off_ends_the_session(server: Server, poll: Polling) -> None:
    """What it held is lost, so the client is to come back and ask again."""
    waiting = asyncio.create_task(poll.poll())
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    target = poll.url.removeprefix(server.url)
    head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
    writer.write(head.encode() + b'427["players.get"')
    await writer.drain()
    writer.close()
    async with asyncio.timeout(10):
        await waiting
    assert not await poll.is_open()
