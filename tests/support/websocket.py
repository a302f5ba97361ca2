"""A WebSocket by hand: frames as they are given, and nothing between them and the socket.

Hundreds of them in one process keep up with a server, and each can stop reading.
"""

import asyncio
import base64
import hashlib
import random
import socket
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self, cast
from urllib.parse import urlsplit

ANSWERS_WITHIN_S = 20
NO_CODE = 1005
"""A close frame without a code."""
NO_CLOSE = 1006
"""No close frame at all."""
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Closed(NamedTuple):
    """How a connection ended: the code and the reason of the server's close frame."""

    code: int
    reason: str


class Refused(ConnectionError):
    """The server has not opened a WebSocket: the status of its answer, and its body."""

    def __init__(self, status: int, headers: dict[str, str], body: str) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.headers = headers
        self.body = body


def frame(payload: str | bytes, opcode: int | None = None, *, fin: bool = True) -> bytes:
    """A frame as a client sends it: masked. Text is a text frame, bytes are a binary one."""
    raw = payload.encode() if isinstance(payload, str) else payload
    if opcode is None:
        opcode = TEXT if isinstance(payload, str) else BINARY
    first, size = (0x80 if fin else 0) | opcode, len(raw)
    if size < 126:
        head = bytes((first, 0x80 | size))
    elif size < 65_536:
        head = bytes((first, 0xFE)) + size.to_bytes(2)
    else:
        head = bytes((first, 0xFF)) + size.to_bytes(8)
    mask = random.randbytes(4)
    masks = (mask * (size // 4 + 1))[:size]
    return head + mask + (int.from_bytes(raw) ^ int.from_bytes(masks)).to_bytes(size)


class WebSocket(asyncio.Protocol):
    """One WebSocket. It answers pings and closes; what is said on it is given to `on_text`.

    `heard_at` is when the last byte came, by the loop's clock, and `received` how many have come.
    """

    def __init__(self, on_text: Callable[[str], None], on_closed: Callable[[Closed], None]) -> None:
        self._on_text = on_text
        self._on_closed = on_closed
        self._buffer = bytearray()
        self._parts: list[bytes] | None = None
        self._close = Closed(NO_CLOSE, "")
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[bytes] = self._loop.create_future()
        self._key = base64.b64encode(random.randbytes(16))
        self._transport: asyncio.Transport
        self.heard_at = self._loop.time()
        self.received = 0

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_text: Callable[[str], None],
        on_closed: Callable[[Closed], None],
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
        source: str = "",
    ) -> Self:
        """Open a WebSocket at an address that begins with `http`, from `source` where it is given.

        A small `receive_buffer` (bytes, of the kernel) is full at once when reading stops. Raises
        Refused, ConnectionError, TimeoutError.
        """
        address = urlsplit(url)
        # Named, or asyncio leaves Nagle's algorithm on: two small frames would be 40 ms apart.
        connecting = socket.socket(proto=socket.IPPROTO_TCP)
        if receive_buffer is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            connecting.bind((source, 0))
        connecting.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            try:
                await loop.sock_connect(connecting, (address.hostname, address.port))
                _, opened = await loop.create_connection(
                    lambda: cls(on_text, on_closed), sock=connecting
                )
            except BaseException:
                connecting.close()
                raise
            try:
                target = f"{address.path}?{address.query}" if address.query else address.path
                opened._ask(target, address.netloc, headers or {})
                await opened._opened
            except BaseException:
                opened._transport.abort()
                raise
        return opened

    def _ask(self, target: str, host: str, headers: Mapping[str, str]) -> None:
        known = {
            "Host": host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": self._key.decode(),
            **headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in known.items())
        self._transport.write(f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode())

    # ---- what a client does

    def send(self, payload: str | bytes) -> None:
        """Send a text frame, or a binary one."""
        self.write(frame(payload))

    def write(self, raw: bytes) -> None:
        """Send bytes as they are, whatever frames they are or are not."""
        self._transport.write(raw)

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers, and when they are full, at the server."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    def close(self) -> None:
        """Say goodbye."""
        self.write(frame((1000).to_bytes(2), CLOSE))

    def drop(self) -> None:
        """Be gone at once, with whatever was not read."""
        self._transport.abort()

    # ---- what comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of a protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol."""
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("closed before it was opened"))
            self._opened.exception()  # whoever waited may have given up
        self._on_closed(self._close)

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        self.heard_at = self._loop.time()
        self.received += len(data)
        self._buffer += data
        if not self._opened.done():
            head, end, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not end or not self._answered(head.decode(), rest):
                return
            self._buffer[:] = rest
        self._take_frames()

    def _answered(self, head: str, body: bytes) -> bool:
        """Whether the answer to the handshake is there in whole, and opens a WebSocket."""
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (ln.partition(": ") for ln in lines)}
        code = int(status.split()[1])
        if code != 101:
            length = headers.get("content-length")
            if length is None or len(body) >= int(length):
                self._opened.set_exception(Refused(code, headers, body.decode()))
            return False
        accepted = base64.b64encode(hashlib.sha1(self._key + _GUID).digest())  # noqa: S324
        assert headers["sec-websocket-accept"] == accepted.decode(), head
        self._opened.set_result(body)
        return True

    def _take_frames(self) -> None:
        buffer, at = self._buffer, 0
        there = len(buffer)
        while there - at >= 2:
            size, start = buffer[at + 1], at + 2
            assert size < 0x80, "a server masks nothing"
            if size >= 126:
                start += 2 if size == 126 else 8
                if there < start:
                    break
                size = int.from_bytes(buffer[at + 2 : start])
            if there < start + size:
                break
            first, at = buffer[at], start + size
            self._frame(first, bytes(buffer[start:at]))
        del buffer[:at]

    def _frame(self, first: int, payload: bytes) -> None:
        fin, opcode = first & 0x80, first & 0x0F
        assert not first & 0x70, "no extension was agreed on"
        if opcode == CLOSE:
            code = int.from_bytes(payload[:2]) if payload else NO_CODE
            self._close = Closed(code, payload[2:].decode())
            self.write(frame(payload, CLOSE))
            self._transport.close()
        elif opcode == PING:
            self.write(frame(payload, PONG))
        elif opcode == PONG:
            pass  # whoever sent a ping sees by `received` that it came
        elif opcode == TEXT and fin:
            assert self._parts is None, "a message within a message"
            self._on_text(payload.decode())
        elif opcode in (TEXT, CONTINUATION):
            assert (self._parts is None) is (opcode == TEXT), "a part of nothing"
            self._parts = [*(self._parts or []), payload]
            if fin:
                parts, self._parts = self._parts, None
                self._on_text(b"".join(parts).decode())
        else:
            raise AssertionError(f"a frame that nobody asked for: {opcode}, {payload[:100]!r}")


class SlowSocket(WebSocket):
    """Reads a little, then rests."""

    RESTS_S = 0.1

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        super().data_received(data)
        self.stop_reading()
        self._loop.call_later(self.RESTS_S, self.read_on)
