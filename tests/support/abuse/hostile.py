"""Connections that fill the server's buffers and are gone: what they take must come back.

Raw sockets, many at once: a client library would keep to the protocol.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from tests.support.abuse.handshakes import HELLO
from tests.support.websocket import CONTINUATION, TEXT, frame
from tests.support.wire import Transport

AT_ONCE: Final = 50
ANSWERED_WITHIN_S: Final = 10.0
SIZE: Final = 1_000_000
_HALF: Final = b"\x81\xff" + SIZE.to_bytes(8) + b"\0\0\0\0" + b"x" * (SIZE - 1000)
_PIECE: Final = "x" * 10_000


def _upgrade(way: Transport) -> bytes:
    return (
        f"GET {HELLO[way]} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    ).encode()


class Kind(NamedTuple):
    """What one connection sends: `first`, and once it is answered `then`."""

    first: bytes
    then: bytes = b""


def _over(way: Transport) -> dict[str, Kind]:
    upgrade = _upgrade(way)
    fragments = frame(_PIECE, TEXT, fin=False) + 98 * frame(_PIECE, CONTINUATION, fin=False)
    return {
        f"half a message, {way}": Kind(upgrade, _HALF),
        f"a message that is no packet, {way}": Kind(upgrade, frame("x" * SIZE)),
        f"fragments, {way}": Kind(upgrade, fragments + frame(b"\x03\xe8", 8)),
        f"nothing, {way}": Kind(upgrade),
    }


KINDS: Final[dict[str, Kind]] = {
    **_over("websocket"),
    **_over("plain"),
    "half a head": Kind(b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * SIZE),
    "half a body": Kind(
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
        + b"y" * 15_000
    ),
    "pipelined requests": Kind(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 5000),
}
"""By name."""


async def _one(port: int, kind: Kind) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                writer.write(kind.first)
                if kind.then:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(kind.then)
                # It is read, or closed: either way there is nothing more to give.
                writing = asyncio.ensure_future(writer.drain())
                ended = asyncio.ensure_future(reader.read())
                await asyncio.wait((writing, ended), return_when=asyncio.FIRST_COMPLETED)
                writing.cancel()
                ended.cancel()
        finally:
            writer.transport.abort()


async def attack(port: int, count: int, *, told: Callable[[int], None] = lambda _: None) -> None:
    """Make so many connections, of each kind in turn, and leave. Raises TimeoutError."""
    kinds = list(KINDS.values())
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await _one(port, kinds[number % len(kinds)])
            told(number)

    await asyncio.gather(*(one(number) for number in range(count)))
