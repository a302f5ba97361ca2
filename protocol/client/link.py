"""One connection over Socket.IO, from its handshake to its end. It does not come back by itself.

python-socketio can come back, but not from everything: an answer that breaks off in the middle,
a connection that ends before the first packet or right after the last one of the handshake ends
its way back for good. So each connection is a client of its own, and whoever keeps it makes the
next one.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final
from weakref import WeakSet

import aiohttp
import engineio
import msgspec
import socketio

from protocol.errors import Error, Failure

CONNECT_S: Final = 5.0
GOODBYE_S: Final = 1.0

_BROKEN: Final = (
    aiohttp.ClientError,
    OSError,
    socketio.exceptions.SocketIOError,
    engineio.exceptions.EngineIOError,
)
"""What a connection that is gone may answer to being closed."""

Heard = Callable[[str, Any, Any], None]
"""Called with an event's name, its data and what stands beside it."""


class ConnectionLost(Exception):
    """The connection ended before the answer came."""


class Link:
    """One connection. `on_event` is called with every event, in order."""

    def __init__(self, on_event: Heard) -> None:
        self._on_event = on_event
        self._welcome = False
        self._refusal: Any = None
        self._answered = asyncio.Event()  # the handshake: yes, no, or its end
        self._ended = asyncio.Event()
        self._calls: set[asyncio.Future[Any]] = set()
        # A session of our own: python-socketio leaves it open where a handshake breaks off, and
        # aiohttp a WebSocket that broke.
        tracing = aiohttp.TraceConfig()
        tracing.on_request_end.append(self._answer_came)
        self._http = aiohttp.ClientSession(trace_configs=[tracing])
        self._answers: WeakSet[aiohttp.ClientResponse] = WeakSet()
        self._sio = socketio.AsyncClient(
            reconnection=False, http_session=self._http, handle_sigint=False
        )
        self._sio.on("connect", self._accepted)
        self._sio.on("connect_error", self._refused)
        self._sio.on("disconnect", self._end)
        self._sio.on("*", self._event)

    async def open(self, url: str, auth: dict[str, str], transports: list[str]) -> None:
        """Connect. Raises Failure where the server refuses, ConnectionError for all else."""
        try:
            async with asyncio.timeout(CONNECT_S):
                # Not waiting there: it would wait on where the connection has ended already.
                await self._sio.connect(url, auth=auth, transports=transports, wait=False)
                reading = self._sio.eio.read_loop_task
                if reading is None or self._sio.eio.state != "connected":
                    self._end()
                else:
                    reading.add_done_callback(self._stopped_reading)
                await self._answered.wait()
        except Exception as e:
            await self.drop()
            raise ConnectionError(f"{url} can't be reached: {e}") from e
        except BaseException:
            await self.drop()
            raise
        if not self._welcome:
            await self.drop()
            if isinstance(self._refusal, dict) and isinstance(self._refusal.get("data"), dict):
                raise Failure(msgspec.convert(self._refusal["data"], Error))
            raise ConnectionError(f"{url} closed the connection")

    async def ended(self) -> None:
        """Wait for the end, whoever made it."""
        await self._ended.wait()

    async def call(self, name: str, data: Any, at_once: Callable[[dict[str, Any]], Any]) -> Any:
        """Send a message. Returns what `at_once` makes of the answer.

        `at_once` is called before anything that the server sent after the answer is looked at.
        Raises ConnectionLost where the connection ends first, and what `at_once` raises.
        """
        came: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(answer: dict[str, Any]) -> None:
            if came.done():
                return  # too late, it is sent again
            try:
                came.set_result(at_once(answer))
            except Exception as e:  # noqa: BLE001 - whatever it is, it is for whoever waits
                came.set_exception(e)

        if self._ended.is_set():
            raise ConnectionLost
        self._calls.add(came)
        try:
            await self._sio.emit(name, data, callback=answered)
            return await came
        except socketio.exceptions.SocketIOError:
            raise ConnectionLost from None
        finally:
            self._calls.discard(came)

    async def close(self) -> None:
        """Say good-bye, then close."""
        with contextlib.suppress(*_BROKEN):
            async with asyncio.timeout(GOODBYE_S):
                await self._sio.disconnect()
        await self.drop()

    async def drop(self) -> None:
        """Close without a word. What it left behind in python-engineio ends too."""
        self._end()
        eio = self._sio.eio
        for task in (eio.read_loop_task, eio.write_loop_task):
            if task is not None:
                task.cancel()
        try:
            with contextlib.suppress(*_BROKEN):
                async with asyncio.timeout(GOODBYE_S):
                    await eio.disconnect(abort=True)
        finally:
            for answer in list(self._answers):
                answer.close()
            await self._http.close()

    async def _answer_came(
        self, _: aiohttp.ClientSession, __: object, end: aiohttp.TraceRequestEndParams
    ) -> None:
        self._answers.add(end.response)

    def _accepted(self) -> None:
        self._welcome = True
        self._answered.set()

    def _refused(self, refusal: Any = None) -> None:
        self._refusal = refusal
        self._answered.set()

    def _end(self, *_: object) -> None:
        self._ended.set()
        self._answered.set()
        for came in self._calls:
            if not came.done():
                came.set_exception(ConnectionLost())

    def _stopped_reading(self, reading: "asyncio.Task[None]") -> None:
        if not reading.cancelled():
            reading.exception()  # an answer that broke off: the same end as any
        self._end()

    def _event(self, name: str, data: Any = None, meta: Any = None) -> None:
        self._on_event(name, data, meta)
