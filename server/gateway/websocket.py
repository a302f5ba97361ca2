"""WebSockets: uvicorn's class for the opening handshake, and one of ours for all that follows.

The application answers the handshake like any ASGI application, behind all that stands around it;
then it takes the socket over with `take_over`. From there on no task and no queue lie between a
socket and whoever listens to it: messages are given on as they are read, and all that was written
in one turn of the event loop leaves in one piece.

`tests/unit/test_uvicorn_contract.py` holds every name of uvicorn that is relied on here.
"""

import asyncio
from collections.abc import Callable, Iterable
from logging import Logger
from typing import Any, Final, Protocol

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from server.gateway import rfc6455
from server.gateway.outbox import Outbox
from server.gateway.refusals import FRAME_FAULTS, RefusalReason, Refusals
from server.gateway.rfc6455 import Broken, CloseCode, Control, Opcode, Reader

BATCH_BYTES: Final = 64 * 1024
"""Given to a transport at once; what it can't send at once of that much, it holds."""
LINGER_S: Final = 5.0
"""How long a socket that is over may take to send what waits and to close."""
EXTENSION: Final = "warroom.websocket"
_PONG: Final = rfc6455.encode(b"", Opcode.PONG)


class Listener(Protocol):
    """Whoever a WebSocket tells what comes in. None of it is awaited."""

    def text(self, text: str) -> None:
        """A message of text."""
        ...

    def binary(self, data: bytes) -> None:
        """A message of bytes."""
        ...

    def pinged(self) -> None:
        """The peer has sent a ping, and gets its answer."""
        ...

    def pong(self) -> None:
        """The peer answers a ping."""
        ...

    def lost(self) -> None:
        """Nothing more comes or goes. Called once."""
        ...


class Turn:
    """The sockets that have something to send at the end of this turn of the event loop."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []

    def begin(self) -> None:
        """A socket is the first to have something: send it once all is done that can be now."""
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            socket.flush()


class WebSocket(asyncio.Protocol):
    """One open WebSocket: reads for a listener, sends what lies in an outbox."""

    __slots__ = ("_closing", "_is_broken", "_is_over", "_lost", "_paused", "_reader", "_refusals",
                 "_slow", "_turn", "listener", "outbox", "peers", "transport")  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        peers: set[Any],
        listener: Listener,
        outbox: Outbox,
        turn: Turn,
        max_bytes: int,
        refusals: Refusals,
    ) -> None:
        self.transport = transport
        self.peers = peers
        self._refusals = refusals
        self._reader = Reader(max_bytes)
        self._turn = turn
        self._paused = False
        self._closing: bytes | None = None  # the frame that says so, until it is sent
        self._is_over = False  # nothing is heard of the peer any more once that is sent
        self._is_broken = False  # nothing that the peer sends is looked at any more
        self._slow: _Slow | None = None
        self._lost = False
        peers.add(self)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(BATCH_BYTES)
        self.serve(listener, outbox)

    def serve(self, listener: Listener, outbox: Outbox) -> None:
        """Read for somebody, and send what waits there."""
        self.listener = listener
        self.outbox = outbox
        outbox.taker = self
        if len(outbox):
            self.wake()

    # ---- reading

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        messages = self._reader.feed(data)
        if not messages:
            self._watch()
        for message in messages:
            # Asked anew for each: it may have been closed, or given on to another listener.
            if self._closing is None and type(message) is str:
                self.listener.text(message)
            elif self._closing is not None:
                if type(message) is Control and message.opcode is Opcode.CLOSE:
                    self._end()
            elif type(message) is bytes:
                self.listener.binary(message)
            else:
                self._not_a_message(message)  # type: ignore[arg-type]

    def _not_a_message(self, message: Control | Broken) -> None:
        self._watch()
        if isinstance(message, Broken):
            self._refuse(FRAME_FAULTS[message.code], message.reason)
        elif message.opcode is Opcode.PING:
            pong = rfc6455.encode(message.data, Opcode.PONG) if message.data else _PONG
            self.outbox.push(pong)
            self.listener.pinged()
        elif message.opcode is Opcode.PONG:
            self.listener.pong()
        else:
            self.outbox.clear()
            self._close(rfc6455.encode(message.data, Opcode.CLOSE))
            self._end()

    def _watch(self) -> None:
        """What has begun and not ended is to end in time."""
        unfinished = self._reader.unfinished
        if unfinished is not None and self._slow is None and not self._lost:
            self._slow = _Slow(self, unfinished)
            self._refusals.slow.begin(self._slow)

    def late(self, unfinished: object) -> None:
        """A message may take no longer: it ends the connection, unless it has ended itself."""
        self._slow = None
        if self._reader.unfinished is unfinished and not self._is_closing:
            self._refuse(RefusalReason.SLOW, RefusalReason.SLOW.words)
        else:
            self._watch()

    def _refuse(self, reason: RefusalReason, why: str) -> None:
        """Close it for what the peer sends; whatever more comes of that is thrown away unread.

        Only our side is closed at first: were all of it closed while the peer still sends, the
        system would throw away what says why.
        """
        assert reason.close_code is not None
        self._refusals.count(reason, why)
        self._is_broken = True
        self.close(reason.close_code, why)

    # ---- writing

    def wake(self) -> None:
        """Something waits where nothing did."""
        turn = self._turn
        if not turn.sockets:
            turn.begin()
        turn.sockets.append(self)

    def flush(self) -> None:
        """Give the transport what waits, as long as it takes it."""
        outbox, transport = self.outbox, self.transport
        if self._closing is None and not self._paused and not transport.is_closing():
            # Nearly always, and all there is in one piece.
            transport.write(outbox.take(BATCH_BYTES))
            if not outbox.queued_bytes:
                return
        if self._closing == b"":
            outbox.clear()  # nothing may come after the frame that says so: RFC 6455, 5.5.1
        while outbox.queued_bytes and not self._paused:
            if transport.is_closing():
                return
            transport.write(outbox.take(BATCH_BYTES))
        if self._is_closing and not self._paused and not transport.is_closing():
            if self._closing:
                transport.write(self._closing)
                self._closing = b""
                if self._is_broken and not self._is_over:
                    transport.write_eof()
            if self._is_over:
                transport.close()

    def pause_writing(self) -> None:
        """Part of a protocol."""
        self._paused = True

    def resume_writing(self) -> None:
        """Part of a protocol."""
        self._paused = False
        self.flush()

    @property
    def unsent(self) -> int:
        """How many bytes the transport holds."""
        return 0 if self._lost else self.transport.get_write_buffer_size()

    # ---- ending

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send what waits, say that it is over, and hang up; within LINGER_S in any case.

        The peer says so too before the transport is closed: while it still sends, closing would
        have the system throw away what it has not read.
        """
        if not self._is_closing:
            self._close(rfc6455.encode_close(code, reason))

    @property
    def _is_closing(self) -> bool:
        return self._closing is not None

    def _close(self, frame: bytes) -> None:
        self._closing = frame
        asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        self.wake()

    def _end(self) -> None:
        """The peer has said its last."""
        self._is_over = True
        self.wake()

    def abort(self) -> None:
        """Hang up, whatever still waits."""
        if not self._lost:
            self.transport.abort()

    def shutdown(self) -> None:
        """Part of what uvicorn asks of a connection: whoever listens closes it, as ever."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol."""
        self._lost = True
        if self._slow is not None:
            self._refusals.slow.end(self._slow)
        self.peers.discard(self)
        self.outbox.taker = None
        self.listener.lost()


class _Slow:
    """A message that has begun and not ended, and has so long to."""

    __slots__ = ("_socket", "_unfinished")

    def __init__(self, socket: WebSocket, unfinished: object) -> None:
        self._socket = socket
        self._unfinished = unfinished

    def expire(self) -> None:
        """It is late."""
        self._socket.late(self._unfinished)


TakeOver = Callable[[Listener, Outbox, Turn, int], WebSocket]
"""Given who listens, what is to be sent, when, and the largest message."""


class _Given(asyncio.Transport):
    """In the place of a transport that was given on: what is still asked of it goes nowhere."""

    def close(self) -> None:
        """Nothing: it is another's to close."""

    def write(self, data: object) -> None:
        """Nothing: it is another's to write to."""


class _Answering(ServerProtocol):
    """What answers a handshake, and nothing after it: each answer has the default headers.

    uvicorn leaves refusals without them.
    """

    def __init__(
        self, headers: Iterable[tuple[bytes, bytes]], max_size: int, logger: Logger
    ) -> None:
        super().__init__(max_size=max_size, logger=logger)
        self._headers = [
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
        ]

    def send_response(self, response: Response) -> None:
        """Send the answer to a request."""
        for name, value in self._headers:
            if name not in response.headers:
                response.headers[name] = value
        super().send_response(response)


class Handshake(WebSocketsSansIOProtocol):
    """uvicorn's, until the application takes over."""

    def __init__(self, refusals: Refusals, **given: Any) -> None:
        super().__init__(**given)
        self._refusals = refusals
        self.conn = _Answering(self.default_headers, self.config.ws_max_size, self.logger)

    def handle_connect(self, event: Any) -> None:
        """A request for a WebSocket."""
        super().handle_connect(event)
        if self.close_sent:
            self._refusals.count(RefusalReason.BAD_REQUEST, "no handshake of a WebSocket")
        else:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self._take_over

    async def send(self, message: Any) -> None:
        """What the application says. A refusal is no fault, and is not logged as one."""
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True

    def _take_over(
        self, listener: Listener, outbox: Outbox, turn: Turn, max_bytes: int
    ) -> WebSocket:
        transport, self.transport = self.transport, _Given()
        self.connections.discard(self)
        socket = WebSocket(
            transport, self.connections, listener, outbox, turn, max_bytes, self._refusals
        )
        loop = asyncio.get_running_loop()
        if self.disconnected:
            loop.call_soon(socket.connection_lost, None)
        elif self.conn.reader.buffer or not self.queue.empty():
            loop.call_soon(socket.abort)  # it did not wait for the answer: RFC 6455, 4.1
        return socket


def take_over(
    scope: Scope, listener: Listener, outbox: Outbox, turn: Turn, max_bytes: int
) -> WebSocket:
    """Take over the socket of a handshake that was accepted. Raises KeyError on another server."""
    give: TakeOver = scope["extensions"][EXTENSION]
    return give(listener, outbox, turn, max_bytes)
