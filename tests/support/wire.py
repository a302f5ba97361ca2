"""A client that sends what it is given as it is, and keeps all that comes back.

A client library encodes what it sends; here anything goes, also what is no JSON. The same face
stands before every transport: Socket.IO over WebSocket and over polling, and the plain `/ws`.
"""

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, Self

from tests.support.dialects import (
    PING,
    PLAIN_SILENCE_S,
    UNREADABLE,
    Dialect,
    Greeting,
    Heard,
    LoggedIn,
    Plain,
    Reply,
    Say,
    SocketIO,
)
from tests.support.folds import Told
from tests.support.polling import PollingLink
from tests.support.talk import ANSWERS_WITHIN_S, Talk
from tests.support.websocket import Closed, WebSocket

Transport = Literal["websocket", "polling", "plain"]
"""Socket.IO over one or the other, or `/ws`."""

PATHS = {"websocket": "/socket.io/?EIO=4&transport=websocket", "plain": "/ws"}

SESSION = "&sid="
"""Names the session that is to go on over a WebSocket: it has been greeted."""

OnEvent = Callable[["Wire", str], None]
"""Called with each event as it came: `["name",{data},{meta}]` of Socket.IO."""


class NotLetIn(Exception):
    """Logging in was refused: `error` says why."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error)
        self.error = error


class Wire(Talk):
    """One connection.

    `frames` are all texts that came; `heard` what they say, in their order; `replies` the answers
    by their ack; `closed` how it ended, None while it is open. With `on_event` nothing of events
    is kept: each is given to that.
    """

    def __init__(self, transport: Transport, on_event: OnEvent | None) -> None:
        super().__init__()
        self._dialect: Dialect = Plain() if transport == "plain" else SocketIO()
        self._on_event = on_event
        self._acks = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._entering: list[asyncio.Future[dict[str, Any]]] = []
        self._next = 0
        self._link: WebSocket | PollingLink
        self.frames: list[str] = []
        self.heard: list[Told | Reply] = []
        self.replies: dict[str, list[dict[str, Any]]] = {}
        self.greeting = Greeting("", PLAIN_SILENCE_S)
        self.closed: Closed | None = None

    # ---- opening and closing

    @classmethod
    async def open(
        cls,
        url: str,
        transport: Transport = "websocket",
        *,
        path: str = "",
        query: str = "",
        on_event: OnEvent | None = None,
        headers: Mapping[str, str] | None = None,
        receive_buffer: int | None = None,
        socket: type[WebSocket] = WebSocket,
        source: str = "",
    ) -> Self:
        """Connect, and stay nobody.

        `query` is added to the address, which is `path` where that is given; `source` is the
        address to come from. Raises Refused, ConnectionError, TimeoutError.
        """
        wire = cls(transport, on_event)
        if transport == "polling":
            wire._link = await PollingLink.open(
                url, on_text=wire._take, on_closed=wire._end, headers=headers, source=source
            )
            return wire
        wire._link = await socket.open(
            url + (path or PATHS[transport]) + query,
            on_text=wire._take,
            on_closed=wire._end,
            headers=headers,
            receive_buffer=receive_buffer,
            source=source,
        )
        if transport == "websocket" and SESSION not in query:
            await wire.until(lambda: wire.greeting.sid)
        return wire

    @classmethod
    async def connect(
        cls,
        url: str,
        transport: Transport = "websocket",
        *,
        token: str = "",
        service_key: str = "",
        **options: Any,
    ) -> Self:
        """Connect as `open` does, and log in. Raises NotLetIn too."""
        wire = await cls.open(url, transport, **options)
        auth = {"token": token} if token else {"service_key": service_key}
        try:
            reply = await wire.log_in(auth)
            if not reply["ok"]:
                raise NotLetIn(reply["error"])
        except BaseException:
            wire._link.drop()
            raise
        return wire

    @classmethod
    async def upgrade(cls, url: str, sid: str, **options: Any) -> Self:
        """Make a WebSocket of a session of polling, which has logged in."""
        wire = await cls.open(url, query=f"{SESSION}{sid}", **options)
        wire.send("2probe")
        await wire.until(lambda: "3probe" in wire.frames)
        return wire

    async def log_in(self, auth: object) -> dict[str, Any]:
        """Log in. Returns the reply."""
        return await self.handshake(json.dumps(auth))

    async def handshake(self, auth: str) -> dict[str, Any]:
        """Log in with whatever is given, which may be no JSON. Returns what comes of it."""
        if isinstance(self._dialect, Plain):
            reply = await self.call_text('"auth.login"', auth)
            # Over Socket.IO it is no answer to a message, and so it is none here.
            self.heard = [h for h in self.heard if not (h[1] is reply and isinstance(h, Reply))]
            return reply
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._entering.append(answer)
        self.send(f"40{auth}")
        return await self._within(answer)

    async def until_closed(self) -> Closed:
        """Wait until the connection has ended. Returns how."""
        closed: Closed = await self.until(lambda: self.closed)
        return closed

    async def close(self) -> None:
        """Close the connection, as a client that goes away."""
        if self.closed is None:
            self._link.close()
            await self.until_closed()

    async def drop(self) -> None:
        """Be gone at once, with whatever was not read."""
        self._link.drop()
        await self.until_closed()

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self.closed is None

    # ---- sending

    def send(self, *texts: str | bytes) -> None:
        """Send texts as they are; bytes are sent as a binary frame."""
        for text in texts:
            self._link.send(text)

    def write(self, raw: bytes) -> None:
        """Send bytes as they are, whatever frames they are."""
        self.socket.write(raw)

    def request(self, name: str, data: Any) -> str:
        """Send a message. Returns the ack that its answer will have."""
        return self._request(json.dumps(name), json.dumps(data))

    def ask(self, name: str, data: Any = None, **fields: Any) -> "asyncio.Future[dict[str, Any]]":
        """Send a message. The future is its answer, or a ConnectionError."""
        return self._ask(json.dumps(name), json.dumps(fields if data is None else data))

    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""
        return await self._within(self.ask(name, data, **fields))

    async def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        """Send a message that asks for no answer."""
        given = json.dumps(fields if data is None else data)
        self.send(self._dialect.message("", json.dumps(name), given))

    async def mumble(self, words: str) -> None:
        """Say something that is no message, with these words in it."""
        texts = json.dumps(["players.get", words, words])
        self.send(texts if isinstance(self._dialect, Plain) else f"42{texts}")

    async def call_text(self, name: str, data: str) -> dict[str, Any]:
        """Send a name and data that may be no JSON, and wait for the one answer.

        On `/ws` that comes without the id where the text as a whole can't be read: nobody else may
        be asking meanwhile.
        """
        before = len(self.replies.get(UNREADABLE, []))
        answer = self._ask(name, data)
        await self.until(lambda: answer.done() or len(self.replies.get(UNREADABLE, [])) > before)
        return answer.result() if answer.done() else self.replies[UNREADABLE][-1]

    async def answer(self, ack: str) -> dict[str, Any]:
        """Wait for the answer to what was sent with this ack."""
        (found,) = await self.until(lambda: self.replies.get(ack))
        return dict(found)

    def _request(self, name: str, data: str) -> str:
        ack = str(next(self._acks))
        self.send(self._dialect.message(ack, name, data))
        return ack

    def _ask(self, name: str, data: str) -> "asyncio.Future[dict[str, Any]]":
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        if self.closed is not None:
            self._give_up(answer)
        else:
            self._waiting[self._request(name, data)] = answer
        return answer

    async def _within(self, answer: "asyncio.Future[dict[str, Any]]") -> dict[str, Any]:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            return await answer

    # ---- reading

    @property
    def socket(self) -> WebSocket:
        """The WebSocket below."""
        assert isinstance(self._link, WebSocket), "this connection polls"
        return self._link

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffers, and when they are full, at the server."""
        self.socket.stop_reading()

    def read_on(self) -> None:
        """Read again."""
        self.socket.read_on()

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until something is seen. Raises ConnectionError where the connection ends first."""
        await super().until(lambda: seen() or self.closed)
        if not (found := seen()):
            self._check_open()
        return found

    async def next(self) -> Told | Reply:
        """The next thing that was heard.

        Raises ConnectionError where the connection ends, or where nothing at all, not even a
        ping, comes for as long as the server may be silent.
        """
        while self._next == len(self.heard):
            self._check_open()
            self._changed.clear()
            loop = asyncio.get_running_loop()
            until = self._link.heard_at + self.greeting.silence_s
            try:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()
            except TimeoutError:
                if loop.time() >= self._link.heard_at + self.greeting.silence_s:
                    raise ConnectionError("the server is silent") from None
        self._next += 1
        return self.heard[self._next - 1]

    @property
    def heard_at(self) -> float:
        """When the last byte came, by the loop's clock."""
        return self._link.heard_at

    @property
    def has_been_read(self) -> bool:
        """Whether `next` has given all that was heard."""
        return self._next == len(self.heard)

    def _check_open(self) -> None:
        if self.closed is not None:
            raise ConnectionError(f"closed by the server: {self.closed}; {self.frames[-3:]}")

    def _take(self, text: str) -> None:
        if self._on_event is not None and (event := self._dialect.event(text)) is not None:
            self._on_event(self, event)
            return
        self._hear(self._dialect.read(text))
        if text != PING:
            self.frames.append(text)
        self._changed.set()

    def _hear(self, heard: Heard) -> None:
        match heard:
            case Told():
                self.events.append(heard)
                self.heard.append(heard)
            case Reply(ack, reply):
                self.heard.append(heard)
                self.replies.setdefault(ack, []).append(reply)
                if (waiting := self._waiting.pop(ack, None)) is not None and not waiting.done():
                    waiting.set_result(reply)
            case LoggedIn(reply):
                if self._entering and not (entering := self._entering.pop(0)).done():
                    entering.set_result(reply)
            case Greeting():
                self.greeting = heard
            case Say(text):
                self.send(text)

    def _end(self, closed: Closed) -> None:
        self.closed = closed
        for waiting in (*self._waiting.values(), *self._entering):
            self._give_up(waiting)
        self._changed.set()

    @staticmethod
    def _give_up(waiting: "asyncio.Future[dict[str, Any]]") -> None:
        if not waiting.done():
            waiting.set_exception(ConnectionError("the connection has ended"))
            waiting.exception()  # it is given to whoever waits, and nobody may
