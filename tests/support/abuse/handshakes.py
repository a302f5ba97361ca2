"""Those who connect and never come in: silent, slow, or asking for what is not there."""

import asyncio
import itertools
from contextlib import suppress
from typing import Final

from protocol.endings import RefusalReason
from server.transport.rfc6455 import CloseCode
from tests.support.abuse.attack import WAYS, Attacks, Target, let_in, received
from tests.support.abuse.frames import closed_with
from tests.support.wire import PATHS

HANDSHAKES: Final = Attacks()
attack = HANDSHAKES.attack

MANY: Final = 300
FEW: Final = 40
HELLO: Final = {**PATHS, "polling": "/socket.io/?EIO=4&transport=polling"}


def head(target: Target) -> bytes:
    """The request with which a client of a way begins, in whole."""
    upgrade = (
        ""
        if target.way == "polling"
        else "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    )
    return f"GET {HELLO[target.way]} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n".encode()


async def _until_gone(reader: asyncio.StreamReader) -> bytes:
    """Everything up to the end, which may be a reset."""
    said = b""
    try:
        while piece := await reader.read(65_536):
            said += piece
    except ConnectionError:
        pass  # gone too
    return said


async def _one(target: Target, first: bytes, rest: bytes) -> bytes:
    """Say something, then the rest byte by byte. Returns what is answered before it is over."""
    reader, writer = await asyncio.open_connection(target.host, target.port)
    gone = asyncio.create_task(_until_gone(reader))
    writer.write(first)
    pause_s = target.receive_s / 10
    for byte in rest:
        await asyncio.wait({gone}, timeout=pause_s)
        if gone.done():
            break
        writer.write(bytes((byte,)))
    said = await gone
    writer.close()
    return said


async def _many(target: Target, first: bytes, rest: bytes) -> list[bytes]:
    count = MANY if target.full else FEW
    return await asyncio.gather(*(_one(target, first, rest) for _ in range(count)))


@attack("300 silent connections", RefusalReason.SLOW, ways=["websocket"], within_s=received)
async def silent(target: Target) -> None:
    """They connect, and that is all."""
    assert set(await _many(target, b"", b"")) == {b""}


@attack("300 half handshakes", RefusalReason.SLOW, within_s=received)
async def half(target: Target) -> None:
    """They begin to ask."""
    for said in await _many(target, head(target)[:-10], b""):
        assert said.startswith(b"HTTP/1.1 408 "), said


@attack("300 slow handshakes", RefusalReason.SLOW, within_s=received)
async def slow(target: Target) -> None:
    """They ask byte by byte, and none is the last."""
    for said in await _many(target, head(target)[:-2], b"X-Slow: " + b"x" * 1000):
        assert said.startswith(b"HTTP/1.1 408 "), said


@attack("300 slow bodies", RefusalReason.SLOW, ways=["polling"], within_s=received)
async def slow_bodies(target: Target) -> None:
    """To a session, and to a route: what was announced does not come."""
    wire = await target.nobody()
    session, route = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode()
        for path in (f"{HELLO['polling']}&sid={wire.greeting.sid}", "/api/auth/login")
    )
    answers = await asyncio.gather(
        _many(target, session, b""), _many(target, route, b""), _many(target, route, b"4" * 1000)
    )
    for said in itertools.chain(*answers):
        assert said.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")), said
    await wire.drop()


@attack("endless headers", RefusalReason.TOO_LARGE, RefusalReason.BAD_REQUEST, ways=["websocket"])
async def endless_headers(target: Target) -> None:
    """Very many of them, and a single one that is very long."""
    asked = head(target)[:-2]
    for rest, status in (
        (b"X: y\r\n" * 100_000, (b"400", b"431")),
        (b"X: " + b"y" * 5_000_000, (b"431",)),
    ):
        said = await _one(target, asked + rest, b"")
        assert said[9:12] in status, said


@attack("what is no request", RefusalReason.BAD_REQUEST, ways=["websocket"])
async def no_request(target: Target) -> None:
    """Refused, and with no line in the log for each."""
    for raw in (b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"x" * 1000 + b"\r\n\r\n",
                b"CONNECT x:1 HTTP/1.1\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"):  # fmt: skip
        said = await _one(target, raw, b"")
        assert said.startswith(b"HTTP/1.1 400 "), (raw, said)


@attack("who never connects", RefusalReason.NO_LOGIN, within_s=let_in)
async def nobody(target: Target) -> None:
    """An open connection of Engine.IO, or of `/ws`, on which nothing is said."""
    count = (MANY if target.full else FEW) // len(WAYS)
    wires = await asyncio.gather(*(target.nobody() for _ in range(count)))
    for wire in wires:
        if target.way == "polling":
            await wire.until_closed()
        else:
            await closed_with(wire, CloseCode.POLICY, "not authenticated in time")


@attack(
    "who never gets in",
    RefusalReason.NO_LOGIN,
    RefusalReason.UNAUTHENTICATED,
    within_s=let_in,
)
async def knocking(target: Target) -> None:
    """It asks to be let in now and then, and is not: that gives it no more time."""
    wire = await target.nobody()
    with suppress(ConnectionError):  # its time may end while an answer is under way
        while wire.closed is None:
            assert not (await wire.log_in({"token": "none"}))["ok"]
            await asyncio.sleep(target.connect_s / 6)
    if target.way != "polling":
        await closed_with(wire, CloseCode.POLICY, "not authenticated in time")
