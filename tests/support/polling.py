"""A session by polling: request by request, or by itself."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self

import aiohttp

from protocol.ids import uuid7
from tests.support.websocket import ANSWERS_WITHIN_S, NO_CLOSE, Closed

SEPARATOR = "\x1e"
"""Between the packets of one body."""
AT_ONCE = 500
"""Packets that wait are sent in one body, as JavaScript's client does."""


class Polled(NamedTuple):
    """What a poll brought. Nothing can be read where the status is not 200."""

    status: int
    packets: list[str]


class Polling:
    """A session of Engine.IO over plain HTTP requests, as behind a proxy that knows no other.

    `url` is where it polls. It gets each answer that is waited for, and nothing by itself.
    """

    def __init__(self, http: aiohttp.ClientSession, server: str) -> None:
        self.http = http
        self.url = f"{server}/socket.io/?EIO=4&transport=polling"
        self.sid = ""

    async def open(self) -> dict[str, Any]:
        """Open the session, and stay nobody. Returns what the server said of it."""
        status, packets = await self.poll()
        if status != 200:
            raise ConnectionError(status)
        hello: dict[str, Any] = json.loads(packets[0][1:])
        self.sid = hello["sid"]
        self.url += f"&sid={self.sid}"
        return hello

    async def log_in(self, **auth: str) -> "Polling":
        """Open the session and log in."""
        await self.open()
        assert await self.post(f"40{json.dumps(auth)}") == 200
        (_, (answer, *rest)) = await self.poll()
        assert answer.startswith("40{"), answer
        assert not rest
        return self

    async def post(self, *packets: str) -> int:
        """Send packets in one body. Returns the status."""
        return await self.post_body(SEPARATOR.join(packets).encode())

    async def post_body(self, body: Any) -> int:
        """Send a body as it is. Returns the status."""
        async with self.http.post(self.url, data=body) as answer:
            await answer.read()
            return answer.status

    async def poll(self, t: str | None = None) -> Polled:
        """What is there, or what comes next; `t` tells a poll from the others."""
        async with self.http.get(f"{self.url}&t={t or uuid7()}") as answer:
            text = await answer.text()
            return Polled(answer.status, text.split(SEPARATOR) if answer.status == 200 else [])

    async def is_open(self) -> bool:
        """Whether the session goes on."""
        return await self.post("3") == 200


class PollingLink:
    """A session that polls by itself: what comes is given to `on_text`, packet by packet."""

    def __init__(self, on_text: Callable[[str], None], on_closed: Callable[[Closed], None]) -> None:
        self._on_text = on_text
        self._on_closed = on_closed
        self._outgoing: asyncio.Queue[str | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._running: asyncio.Task[None]
        self.heard_at = self._loop.time()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        on_text: Callable[[str], None],
        on_closed: Callable[[Closed], None],
        headers: Mapping[str, str] | None = None,
        source: str = "",
    ) -> Self:
        """Open a session, from `source` where it is given. Raises ConnectionError, TimeoutError."""
        link = cls(on_text, on_closed)
        # Of its own, so that no connection of before is used again.
        http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(local_addr=(source, 0)) if source else None,
            headers=headers,
        )
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                polling = Polling(http, url)
                on_text(f"0{json.dumps(await polling.open())}")
        except BaseException as e:
            await http.close()
            if isinstance(e, aiohttp.ClientError):
                raise ConnectionError(e) from e
            raise
        link._running = asyncio.create_task(link._run(polling))
        return link

    def send(self, packet: str | bytes) -> None:
        """Send a packet, after those before it."""
        assert isinstance(packet, str)
        self._outgoing.put_nowait(packet)

    def close(self) -> None:
        """Say goodbye, after what was sent."""
        self._outgoing.put_nowait("1")
        self._outgoing.put_nowait(None)

    def drop(self) -> None:
        """Poll no more."""
        self._running.cancel()

    async def _run(self, polling: Polling) -> None:
        try:
            async with polling.http, asyncio.TaskGroup() as tasks:
                reading = tasks.create_task(self._read(polling))
                await self._write(polling)
                reading.cancel()
        except* (aiohttp.ClientError, ConnectionError, TimeoutError):
            pass  # that it has ended is told below
        finally:
            self._on_closed(Closed(NO_CLOSE, ""))

    async def _write(self, polling: Polling) -> None:
        is_over = False
        while not is_over:
            packets = [await self._outgoing.get()]
            while len(packets) < AT_ONCE and not self._outgoing.empty():
                packets.append(self._outgoing.get_nowait())
            is_over = None in packets
            status = await polling.post(*(p for p in packets if p is not None))
            if status != 200:
                raise ConnectionError(status)

    async def _read(self, polling: Polling) -> None:
        while True:
            status, packets = await polling.poll()
            if status != 200:
                raise ConnectionError(status)
            self.heard_at = self._loop.time()
            for packet in packets:
                self._on_text(packet)
