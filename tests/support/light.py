"""A light client: Socket.IO over a WebSocket by hand, nothing between it and the socket.

Hundreds of them in one process keep up with a server, and each can stop reading.
"""

import asyncio
import base64
import json
import secrets
import socket
from collections.abc import Callable
from typing import Any, Self, cast
from urllib.parse import urlsplit

ANSWERS_WITHIN_S = 20

OnEvent = Callable[["Light", bytes], None]
"""Called with each event as it came: `["name",{data},{meta}]`."""


class Light(asyncio.Protocol):
    """One connection. Events are kept in `events`, unless they are given to `on_event`."""

    def __init__(self, auth: dict[str, str], sid: str | None, on_event: OnEvent | None) -> None:
        self._auth = auth
        self._sid = sid
        self._on_event = on_event or Light._keep
        self._buffer = bytearray()
        self._upgraded = False
        self._acks: dict[bytes, asyncio.Future[dict[str, Any]]] = {}
        self._sent = 0
        self._changed = asyncio.Event()
        self._transport: asyncio.Transport
        self.events: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        loop = asyncio.get_running_loop()
        self.logged_in: asyncio.Future[None] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        on_event: OnEvent | None = None,
        receive_buffer: int | None = None,
        sid: str | None = None,
        **auth: str,
    ) -> Self:
        """Open a WebSocket and log in with `auth`; without it, remain nobody.

        `sid` names a session of polling that is to be upgraded: it has logged in.
        """
        address = urlsplit(url)
        connecting = socket.socket()
        if receive_buffer is not None:
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connecting.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await loop.sock_connect(connecting, (address.hostname, address.port))
            _, light = await loop.create_connection(
                lambda: cls(auth, sid, on_event), sock=connecting
            )
            light._upgrade(address.netloc)
            if auth or sid:
                await light.logged_in
        return light

    def _upgrade(self, host: str) -> None:
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        query = "EIO=4&transport=websocket" + (f"&sid={self._sid}" if self._sid else "")
        self._transport.write(
            f"GET /socket.io/?{query} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    # ---- what a test does

    def write(self, text: bytes, opcode: int = 1) -> None:
        """Send a frame. Its mask is all zeros, so that there is nothing to compute."""
        size = len(text)
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        elif size < 65_536:
            head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2)
        else:
            head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8)
        self._transport.write(head + bytes(4) + text)

    def send(self, name: str, **fields: Any) -> "asyncio.Future[dict[str, Any]]":
        """Send a message. The future is its answer."""
        self._sent += 1
        number = b"%d" % self._sent
        answer = asyncio.get_running_loop().create_future()
        self._acks[number] = answer
        self.write(b"42" + number + json.dumps([name, fields]).encode())
        return answer

    async def call(self, name: str, **fields: Any) -> dict[str, Any]:
        """Send a message and wait for its answer."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            return await self.send(name, **fields)

    async def ok(self, name: str, **fields: Any) -> Any:
        """The data of an answer that must be one. Waits where it was too much at once."""
        while True:
            answer = await self.call(name, **fields)
            if answer["ok"]:
                return answer["data"]
            assert answer["error"]["code"] == "rate_limited", answer
            await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers, and when they are full, at the server."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Read again."""
        self._transport.resume_reading()

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until something is seen among the events."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while not (found := seen()):
                self._changed.clear()
                await self._changed.wait()
            return found

    def named(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of a name."""
        return [data for event, data, _ in self.events if event == name]

    async def drop(self) -> None:
        """Be gone at once, with whatever was not read."""
        self._transport.abort()
        await self.ended

    # ---- what comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of a protocol."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol."""
        gone = ConnectionError("the connection has ended")
        for waiting in (self.logged_in, *self._acks.values()):
            if not waiting.done():
                waiting.set_exception(gone)
                waiting.exception()  # it is given to whoever waits, and nobody may
        self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        buffer = self._buffer
        buffer += data
        if not self._upgraded:
            head, end, rest = bytes(buffer).partition(b"\r\n\r\n")
            if not end:
                return
            assert b" 101 " in head, head
            self._upgraded = True
            if self._sid:
                self.write(b"2probe")
            buffer[:] = rest
        at, there = 0, len(buffer)
        while there - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size >= 126:
                start += 2 if size == 126 else 8
                if there < start:
                    break
                size = int.from_bytes(buffer[at + 2 : start])
            if there < start + size:
                break
            opcode, at = buffer[at] & 0x0F, start + size
            self._frame(opcode, bytes(buffer[start:at]))
        del buffer[:at]

    def _frame(self, opcode: int, text: bytes) -> None:
        if opcode == 8:
            self.write(text, 8)
            self._transport.close()
        elif opcode == 9:
            self.write(text, 10)
        elif text.startswith(b"42"):
            self._on_event(self, text[2:])
        elif text.startswith(b"43"):
            number, _, answer = text[2:].partition(b"[")
            if (waiting := self._acks.pop(number, None)) is not None and not waiting.done():
                waiting.set_result(json.loads(answer[:-1]))
        elif text == b"2":
            self.write(b"3")
        elif text == b"3probe":
            self.write(b"5")
            self.logged_in.set_result(None)
        elif text.startswith(b"0") and self._auth:
            self.write(b"40" + json.dumps(self._auth).encode())
        elif text.startswith(b"40"):
            self.logged_in.set_result(None)
        elif text.startswith(b"44"):
            self.logged_in.set_exception(PermissionError(text.decode()))

    def _keep(self, text: bytes) -> None:
        name, data, meta = json.loads(text)
        self.events.append((name, data, meta))
        self._changed.set()
