"""A server in conformance mode, and bare Engine.IO by a client that adds nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp

from tests.support.server import Server

SEPARATOR = "\x1e"
ANSWERS_WITHIN_S = 10
PING_INTERVAL_MS = 300
PING_TIMEOUT_MS = 200
MAX_PAYLOAD = 1_000_000
PING = "2"

ENGINE = "/engine.io/"
SOCKET = "/socket.io/"


class Conformance(Server):
    """A server in conformance mode, with the intervals that the official suites want."""

    command_line = ("conformance",)

    def __init__(self, data_dir: Path, **settings: str) -> None:
        super().__init__(data_dir, **{"CONNECT_TIMEOUT_MS": "1000", **settings})


class Answer(NamedTuple):
    """What came for a request of HTTP."""

    status: int
    body: str

    @property
    def packets(self) -> list[str]:
        """The packets in it."""
        return self.body.split(SEPARATOR)

    @property
    def opened(self) -> dict[str, Any]:
        """What an open packet says."""
        assert self.status == 200, self
        assert self.body.startswith("0"), self.body
        said: dict[str, Any] = json.loads(self.body[1:])
        return said


class Engine:
    """Requests to one path of Engine.IO. `sid` is of the session that was opened last."""

    def __init__(self, http: aiohttp.ClientSession, url: str, path: str = ENGINE) -> None:
        self._http = http
        self.url = f"{url}{path}"
        self.sid = ""

    async def ask(self, method: str, body: str | None = None, **query: str) -> Answer:
        """A request with just this query."""
        sent = self._http.request(method, self.url, params=query, data=body)
        async with asyncio.timeout(ANSWERS_WITHIN_S), sent as answer:
            return Answer(answer.status, await answer.text())

    async def open(self) -> Self:
        """Open a session by polling."""
        self.sid = (await self.ask("GET", EIO="4", transport="polling")).opened["sid"]
        return self

    async def poll(self) -> Answer:
        """Poll."""
        return await self.ask("GET", EIO="4", transport="polling", sid=self.sid)

    async def post(self, *packets: str) -> Answer:
        """Send packets."""
        body = SEPARATOR.join(packets)
        return await self.ask("POST", body, EIO="4", transport="polling", sid=self.sid)

    @asynccontextmanager
    async def waiting(self) -> AsyncIterator["Poll"]:
        """A poll that waits at the server, over a connection of its own."""
        url = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(url.hostname, url.port)
        target = f"{url.path}?EIO=4&transport=polling&sid={self.sid}"
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
        for _ in range(3):  # answered after it was read: all of this is one loop of the server
            assert await self.is_open()
        try:
            yield Poll(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def is_open(self) -> bool:
        """Whether there is such a session, and it polls."""
        return (await self.post("6")).status == 200

    @asynccontextmanager
    async def socket(self, **query: str) -> AsyncIterator["Socket"]:
        """A WebSocket with just this query."""
        # A close is said, and its answer not waited for: that is not what is tested.
        socket = await self._http.ws_connect(self.url, params=query, max_msg_size=0, timeout=_CLOSE)
        try:
            yield Socket(socket)
        finally:
            await socket.close()

    @asynccontextmanager
    async def websocket(self) -> AsyncIterator["Socket"]:
        """A new session by WebSocket, greeted."""
        async with self.socket(EIO="4", transport="websocket") as socket:
            assert str(await socket.next()).startswith("0")
            yield socket

    @asynccontextmanager
    async def upgraded(self) -> AsyncIterator["Socket"]:
        """A session that has gone from polling to a WebSocket."""
        await self.open()
        async with self.socket(EIO="4", transport="websocket", sid=self.sid) as socket:
            await socket.send("2probe")
            assert await socket.next() == "3probe"
            await socket.send("5")
            yield socket


class Poll:
    """One poll that waits."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def answer(self) -> Answer:
        """Wait for its answer."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            status, *lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            headers = dict(line.lower().split(": ", 1) for line in lines if line)
            body = await self._reader.readexactly(int(headers["content-length"]))
        return Answer(int(status.split()[1]), body.decode())

    def give_up(self) -> None:
        """Be gone without an answer."""
        self._writer.transport.abort()


_CLOSE = aiohttp.ClientWSTimeout(ws_close=0.5)


class Socket:
    """A WebSocket, message by message."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, *messages: str | bytes) -> None:
        """Send messages."""
        for message in messages:
            if isinstance(message, str):
                await self._socket.send_str(message)
            else:
                await self._socket.send_bytes(message)

    async def heard(self) -> str | bytes | None:
        """The next message, None where the server closes."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            message = await self._socket.receive()
        if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            found: str | bytes = message.data
            return found
        return None

    async def next(self) -> str | bytes | None:
        """The next message that is no ping; these are answered."""
        while (message := await self.heard()) == PING:
            await self.send("3")
        return message

    async def closed(self) -> None:
        """Expect that the server closes, not for want of an answer to its ping."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            assert await self.next() is None

    @property
    def close_code(self) -> int | None:
        """The code that the server has closed with."""
        return self._socket.close_code
