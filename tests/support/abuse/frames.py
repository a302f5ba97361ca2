"""Frames that no client library sends, and bodies of polling that are as bad."""

import asyncio
import io
import zlib
from collections.abc import AsyncIterator
from functools import cache
from typing import Final

import aiohttp

from protocol.endings import RefusalReason
from server.transport.rfc6455 import CloseCode
from tests.support.abuse.attack import WEBSOCKETS, Attacks, Target, heard, received
from tests.support.polling import Polling
from tests.support.websocket import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    TEXT,
    WebSocket,
    frame,
)
from tests.support.wire import Wire

FRAMES: Final = Attacks()
attack = FRAMES.attack

LIMIT: Final = 1_048_576
"""MAX_MESSAGE_BYTES."""
PIECE: Final = 65_536
DRAGONS: Final = "🐉" * 900_000
"""Fewer letters than the limit has bytes, in 3.6 MB."""
KEY: Final = b"\0\0\0\0"


async def closed_with(wire: Wire, code: CloseCode, words: str) -> None:
    """Wait for the end, and see that it says why."""
    closed = await wire.until_closed()
    assert closed.code == code, closed
    assert words in closed.reason, closed


def answer_no_packets(wire: Wire) -> None:
    """Leave Engine.IO's pings unanswered: a pong would be a message within a message."""
    wire.send = lambda *_: None  # type: ignore[method-assign]


@attack("500,000 one-byte fragments", RefusalReason.TOO_MANY_FRAGMENTS, ways=WEBSOCKETS)
async def fragments(target: Target) -> None:
    """One message in very many parts."""
    wire = await target.logged_in()
    part = b"\x00\x81" + KEY + b"x"
    wire.write(frame("4", fin=False) + part * (500_000 if target.full else 30_000))
    await closed_with(wire, CloseCode.POLICY, "fragments")


@attack("empty fragments for ever", RefusalReason.TOO_MANY_FRAGMENTS, ways=WEBSOCKETS)
async def empty_fragments(target: Target) -> None:
    """One message that never gets longer."""
    wire = await target.logged_in()
    wire.write(frame("4", fin=False) + (b"\x00\x80" + KEY) * 30_000)
    await closed_with(wire, CloseCode.POLICY, "fragments")


@attack("a message that never ends", RefusalReason.SLOW, ways=WEBSOCKETS, within_s=received)
async def endless_message(target: Target) -> None:
    """A part now and then, and pings and pongs between them."""
    wire = await target.logged_in()
    answer_no_packets(wire)
    wire.write(frame("4", fin=False))
    while wire.closed is None:
        wire.write(frame("x", CONTINUATION, fin=False) + frame(b"there", PING))
        await asyncio.sleep(target.receive_s / 20)
    await closed_with(wire, CloseCode.POLICY, "in time")


@attack("a frame that comes byte by byte", RefusalReason.SLOW, ways=WEBSOCKETS, within_s=received)
async def slow_frame(target: Target) -> None:
    """One whole frame, slower than anybody is."""
    wire = await Wire.connect(target.url, target.way, token=target.token, socket=_Deaf)
    answer_no_packets(wire)
    raw = iter(frame("4" + "x" * 1000))
    for byte in raw:
        if wire.closed is not None:
            break
        wire.write(bytes((byte,)))
        await asyncio.sleep(target.receive_s / 200)
    await closed_with(wire, CloseCode.POLICY, "in time")


@attack("10 MB in one frame", RefusalReason.TOO_LARGE, ways=WEBSOCKETS)
async def large_frame(target: Target) -> None:
    """It is not waited for: the header says how long it is."""
    wire = await target.logged_in()
    size = 10_000_000
    wire.write(b"\x81\xff" + size.to_bytes(8) + KEY)
    for _ in range(size // PIECE):
        if wire.closed is not None:
            break
        wire.write(b"x" * PIECE)
        await asyncio.sleep(0)
    await closed_with(wire, CloseCode.TOO_LARGE, str(LIMIT))


@attack("3.6 MB in 900,000 letters", RefusalReason.TOO_LARGE, ways=WEBSOCKETS)
async def large_text(target: Target) -> None:
    """In one frame, and in parts of which each is small."""
    raw = DRAGONS.encode()
    wire = await target.logged_in()
    wire.write(frame(DRAGONS))
    await closed_with(wire, CloseCode.TOO_LARGE, str(LIMIT))
    wire = await target.logged_in()
    wire.write(frame("4", fin=False))
    for at in range(0, len(raw), PIECE):
        wire.write(frame(raw[at : at + PIECE], CONTINUATION, fin=False))
    await closed_with(wire, CloseCode.TOO_LARGE, str(LIMIT))


BROKEN: Final = {
    "not masked": (b"\x81\x0242", CloseCode.PROTOCOL_ERROR),
    "a reserved bit": (b"\xa1\x82" + KEY + b"42", CloseCode.PROTOCOL_ERROR),
    "a kind there is not": (b"\x83\x80" + KEY, CloseCode.PROTOCOL_ERROR),
    "a ping too long": (b"\x89\xfe\x00\x80" + KEY + b"x" * 128, CloseCode.PROTOCOL_ERROR),
    "a ping in parts": (b"\x09\x80" + KEY, CloseCode.PROTOCOL_ERROR),
    "a close in parts": (b"\x08\x80" + KEY, CloseCode.PROTOCOL_ERROR),
    "the rest of nothing": (frame(b"x", CONTINUATION), CloseCode.PROTOCOL_ERROR),
    "a text in a text": (frame("4", fin=False) * 2, CloseCode.PROTOCOL_ERROR),
    "negative length": (b"\x81\xff" + b"\xff" * 8 + KEY, CloseCode.PROTOCOL_ERROR),
    "a length too wide": (b"\x81\xfe\x00\x01" + KEY + b"x", CloseCode.PROTOCOL_ERROR),
    "half a close code": (frame(b"\x03", CLOSE), CloseCode.PROTOCOL_ERROR),
    "nobody's close code": (frame(b"\x03\xed", CLOSE), CloseCode.PROTOCOL_ERROR),
}
NO_TEXT: Final = {
    "no letter": frame(b"42\xff\xfe", TEXT),
    "half a letter at the end": frame(b"42\xf0\x9f\x90", TEXT),
    "a surrogate": frame(b"42\xed\xa0\x80", TEXT),
    "an overlong letter": frame(b"42\xc0\xaf", TEXT),
    "no letter in a part": frame(b"42", TEXT, fin=False) + frame(b"\xff", CONTINUATION, fin=False),
    "no letter in a reason": frame(b"\x03\xe8\xff", CLOSE),
}


@attack("frames that break RFC 6455", RefusalReason.PROTOCOL_ERROR, ways=WEBSOCKETS)
async def broken_frames(target: Target) -> None:
    """Each closes its connection with the code that the RFC names."""
    for raw, code in BROKEN.values():
        wire = await target.logged_in()
        wire.write(raw)
        await closed_with(wire, code, " ")


@attack("text that is not UTF-8", RefusalReason.INVALID_TEXT, ways=WEBSOCKETS)
async def no_text(target: Target) -> None:
    """As soon as it is seen, also in the middle of a message."""
    for raw in NO_TEXT.values():
        wire = await target.logged_in()
        wire.write(raw)
        await closed_with(wire, CloseCode.INVALID_DATA, "UTF-8")


@cache
def bomb_frame() -> bytes:
    """Very much in a small frame."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(b"0" * 100_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    raw = bytearray(frame(packed[:-4], BINARY))
    raw[0] |= 0x40
    return bytes(raw)


@attack("a compression bomb", RefusalReason.PROTOCOL_ERROR, ways=WEBSOCKETS)
async def bomb(target: Target) -> None:
    """Compression is offered, and not taken; 100 MB of zeros in 100 kB are no frame."""
    raw = bomb_frame()
    offered = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    wire = await Wire.open(target.url, target.way, headers=offered, socket=_Unextended)
    wire.write(raw)
    await closed_with(wire, CloseCode.PROTOCOL_ERROR, "reserved")


class _Unextended(WebSocket):
    """Sees that no extension is agreed on."""

    def _answered(self, head: str, body: bytes) -> bool:
        assert "sec-websocket-extensions" not in head.lower(), head
        return super()._answered(head, body)


@attack("who answers no ping", RefusalReason.PING_TIMEOUT, within_s=heard)
async def half_open(target: Target) -> None:
    """Its connection is there, and nobody is at its end."""
    if target.way == "polling":
        async with aiohttp.ClientSession() as http:
            polling = await Polling(http, target.url).log_in(token=target.token)
            while (await polling.poll()).status == 200:
                pass
        return
    wire = await Wire.open(target.url, target.way, socket=_Deaf)
    assert (await wire.log_in({"token": target.token}))["ok"]
    answer_no_packets(wire)
    await closed_with(wire, CloseCode.POLICY, "ping")


class _Deaf(WebSocket):
    """Answers no ping of the WebSocket."""

    def _frame(self, first: int, payload: bytes) -> None:
        if first & 0x0F != PING:
            super()._frame(first, payload)


@attack("bodies over the limit", RefusalReason.TOO_LARGE, ways=["polling"])
async def large_bodies(target: Target) -> None:
    """10 MB, 3.6 MB of fewer letters, and one that never ends: answered, and read no further."""

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"4" * PIECE

    async with aiohttp.ClientSession() as http:
        for body in (io.BytesIO(b"4" * 10_000_000), io.BytesIO(DRAGONS.encode()), endless()):
            polling = await Polling(http, target.url).log_in(token=target.token)
            assert await polling.post_body(body) == 413
            assert await polling.post("3") == 400, "the session goes on"


@attack("bodies that are no packets", RefusalReason.PARSE_ERROR, ways=["polling"])
async def no_bodies(target: Target) -> None:
    """Not UTF-8, empty packets, too many of them, or none of the protocol."""
    bodies = [b"4\xff", b"\x1e", b"4\x1e", b"9", b"b!", b"\x1e".join([b"6"] * 500_000)]
    async with aiohttp.ClientSession() as http:
        for body in bodies:
            polling = await Polling(http, target.url).log_in(token=target.token)
            assert await polling.post_body(body) == 400
