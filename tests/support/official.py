"""python-socketio's own client, with the face of a wire."""

import asyncio
from typing import Any

import socketio

from tests.support.folds import Told
from tests.support.talk import ANSWERS_WITHIN_S, Talk
from tests.support.wire import NotLetIn


class OfficialClient(Talk):
    """A connection that a client carries which others have written: it notices what ours don't."""

    def __init__(self) -> None:
        super().__init__()
        self._refusal: Any = None
        self._gone = asyncio.Event()
        self.sio = socketio.AsyncClient(reconnection=False)
        self.sio.on("*", self._told)
        self.sio.on("connect_error", self._refused)
        self.sio.on("disconnect", lambda *_: self._gone.set())

    async def connect(
        self, url: str, transport: str, auth: dict[str, str], headers: dict[str, str] | None = None
    ) -> None:
        """Connect and log in. Raises NotLetIn, or ConnectionError where nobody answers."""
        try:
            await self.sio.connect(
                url, auth=auth, headers=headers or {}, transports=[transport], retry=False
            )
        except socketio.exceptions.ConnectionError as e:
            if isinstance(self._refusal, dict) and "data" in self._refusal:
                raise NotLetIn(self._refusal["data"]) from e
            raise ConnectionError(e) from e

    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""
        given = fields if data is None else data
        answer: dict[str, Any] = await self.sio.call(name, given, timeout=ANSWERS_WITHIN_S)
        return answer

    async def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        """Send a message that asks for no answer."""
        await self.sio.emit(name, fields if data is None else data)

    async def mumble(self, words: str) -> None:
        """Say something that is no message, with these words in it."""
        await self.sio.emit("players.get", (words, words))

    async def until_closed(self) -> None:
        """Wait until the connection has ended."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await self._gone.wait()

    async def close(self) -> None:
        """Disconnect, and wait for the transport: the client tells of its end before that."""
        await self.sio.shutdown()
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await self.sio.eio.disconnect()
            await self.sio.eio.wait()

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return bool(self.sio.connected)

    async def _told(self, name: str, data: Any = None, meta: Any = None) -> None:
        self.events.append(Told(name, data, meta))
        self._changed.set()

    async def _refused(self, refusal: Any = None) -> None:
        self._refusal = refusal
