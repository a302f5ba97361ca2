"""A client that sends frames as they are given, and keeps every frame that comes back.

python-socketio's client encodes what it sends; here anything goes, also what is no JSON.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ANSWERS_WITHIN_S = 20


class Raw:
    """One WebSocket to the server. It answers pings; it logs in only when told to."""

    def __init__(self, url: str, query: str = "") -> None:
        base = url.replace("http", "ws", 1)
        self._url = f"{base}/socket.io/?EIO=4&transport=websocket{query}"
        self._ids = itertools.count(1)
        self._changed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._reading: asyncio.Task[None] | None = None
        self.frames: list[str] = []
        self.events: list[tuple[str, Any, Any]] = []
        self.acks: dict[str, list[Any]] = {}
        self.closed = False

    async def open(self) -> Self:
        """Connect, and stay nobody."""
        self._socket = await connect(self._url, max_size=None, ping_interval=None)
        opened = await self._socket.recv()
        assert str(opened).startswith("0{"), opened
        self.frames.append(str(opened))
        self._reading = asyncio.create_task(self._read(self._socket))
        return self

    async def log_in(self, **auth: str) -> Self:
        """Connect and log in."""
        await self.open()
        answer = await self.handshake(json.dumps(auth))
        assert answer.startswith("40{"), answer
        return self

    async def handshake(self, payload: str | bytes) -> str:
        """Log in with whatever is given, and wait for what comes of it."""
        text = payload.decode() if isinstance(payload, bytes) else payload
        await self.send(f"40{text}")
        answer: str = await self.until(lambda: self.first("40", "44"))
        return answer

    async def send(self, *frames: str | bytes) -> None:
        """Send frames."""
        assert self._socket is not None
        for frame in frames:
            await self._socket.send(frame)

    async def call(self, name: str, data: object = None) -> dict[str, Any]:
        """Send a message, and wait for its one answer."""
        return await self.text(json.dumps([name, {} if data is None else data]))

    async def patiently(self, name: str, data: object = None) -> dict[str, Any]:
        """Send a message, again whenever the server says that it was too much at once."""
        while True:
            answer = await self.call(name, data)
            if answer["ok"] or answer["error"]["code"] != "rate_limited":
                return answer
            await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)

    async def text(self, arguments: str) -> dict[str, Any]:
        """Send `["name",{…}]`, of which nothing is checked, and wait for its one answer."""
        ident = str(next(self._ids))
        await self.send(f"42{ident}{arguments}")
        return await self.answer(ident)

    async def answer(self, ident: str) -> dict[str, Any]:
        """Wait for the answer to a message."""
        (found,) = await self.until(lambda: self.acks.get(ident))
        assert isinstance(found, dict), found
        return found

    def first(self, *prefixes: str) -> str | None:
        """The first frame that starts so."""
        return next((frame for frame in self.frames if frame.startswith(prefixes)), None)

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until something is seen. Raises ConnectionError where the connection ends first."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while not (found := seen()):
                if self.closed:
                    raise ConnectionError(f"closed by the server; {self.frames[-3:]}")
                self._changed.clear()
                await self._changed.wait()
            return found

    async def until_closed(self) -> None:
        """Wait until the server has closed the connection."""
        await self.until(lambda: self.closed)

    async def close(self) -> None:
        """Close the socket, as a client that goes away."""
        if self._socket is not None:
            await self._socket.close()
        if self._reading is not None:
            await self._reading

    async def _read(self, socket: ClientConnection) -> None:
        try:
            with contextlib.suppress(ConnectionClosed):
                async for frame in socket:
                    assert isinstance(frame, str), "the server sends no binary frames"
                    if frame == "2":
                        await socket.send("3")
                        continue
                    self._take(frame)
                    self._changed.set()
        finally:
            self.closed = True
            self._changed.set()

    def _take(self, frame: str) -> None:
        self.frames.append(frame)
        if frame.startswith("42"):
            name, data, meta = json.loads(frame[2:])
            self.events.append((name, data, meta))
        elif frame.startswith("43"):
            ident, bracket, rest = frame[2:].partition("[")
            assert bracket, frame
            self.acks.setdefault(ident, []).extend(json.loads(f"[{rest}"))
