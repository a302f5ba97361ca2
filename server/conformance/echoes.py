"""Echoes below Socket.IO: bare Engine.IO, and a bare WebSocket."""

from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from server.transport import rfc6455
from server.transport.engineio import EngineIOSession
from server.transport.handshake import take_over
from server.transport.outbox import Outbox, OutboxLimits
from server.transport.rfc6455 import Opcode
from server.transport.websocket import Turn, WebSocket

_NO_WEBSOCKET: Final = PlainTextResponse("this address requires a WebSocket", 400)


class EngineEcho:
    """Says back each message of a session."""

    def __init__(self, session: EngineIOSession) -> None:
        self._session = session

    def received(self, message: str | bytes) -> None:
        """A message."""
        self._session.send(message)

    def arriving(self, size: int) -> None:
        """Part of a message has come."""

    def gone(self, reason: str) -> None:
        """The session is over."""


class _Listener:
    """Says back each message of one WebSocket."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self.socket: WebSocket | None = None
        outbox.overflow = lambda _: self._cut_off()

    def _cut_off(self) -> None:
        if self.socket is not None:
            self.socket.abort()

    def text(self, text: str) -> None:
        """A message of text."""
        self._outbox.push(rfc6455.encode(text.encode()))

    def binary(self, data: bytes) -> None:
        """A message of bytes."""
        self._outbox.push(rfc6455.encode(data, Opcode.BINARY))

    def pinged(self) -> None:
        """It has its answer."""

    def pong(self) -> None:
        """Nobody has asked for it."""

    def arriving(self, size: int) -> None:
        """Part of a message has come."""

    def lost(self) -> None:
        """It is gone."""


class WebSocketEcho:
    """An ASGI application that says back what a WebSocket says. `max_bytes`: of one message."""

    def __init__(self, bounds: OutboxLimits, max_bytes: int) -> None:
        self._bounds = bounds
        self._max_bytes = max_bytes
        self._turn = Turn()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "websocket":
            await _NO_WEBSOCKET(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        outbox = Outbox(self._bounds, lambda frame: frame.socketio)
        listener = _Listener(outbox)
        listener.socket = take_over(scope, listener, outbox, self._turn, self._max_bytes)
