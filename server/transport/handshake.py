"""The opening handshake of a WebSocket: uvicorn's class, until the application takes over.

The application answers the handshake like any ASGI application, behind all middleware; then it
takes the socket over with `take_over`.

`tests/unit/test_uvicorn_contract.py` holds every name of uvicorn that is relied on here.
"""

import asyncio
from collections.abc import Callable, Iterable
from logging import Logger
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Response
from websockets.server import ServerProtocol

from protocol.endings import RefusalReason
from server.transport.listener import Listener
from server.transport.outbox import Outbox
from server.transport.refusals import Refusals
from server.transport.websocket import Turn, WebSocket

EXTENSION: Final = "warroom.websocket"

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
    """uvicorn's, until the application takes over.

    Nothing is read until then: a client waits for the answer (RFC 6455, 4.1), and what it sends
    before stays in the kernel. websockets' objects refer to each other in a circle; it is broken
    up once the handshake is over, so that all of it is freed at once.
    """

    def __init__(self, refusals: Refusals, **given: Any) -> None:
        super().__init__(**given)
        self._refusals = refusals
        self.is_asked = False  # whether the application has the request
        self.conn.parser.close()
        self.conn = _Answering(self.default_headers, self.config.ws_max_size, self.logger)

    def handle_connect(self, event: Any) -> None:
        """A request for a WebSocket."""
        super().handle_connect(event)
        if self.close_sent:
            self._refusals.count(RefusalReason.BAD_REQUEST, "malformed WebSocket handshake")
        else:
            self.is_asked = True
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[EXTENSION] = self._take_over
            self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol: it was refused, or is lost before it was taken over."""
        super().connection_lost(exc)
        self._break_up()

    def _break_up(self) -> None:
        self.conn.parser.close()
        fault = self.conn.handshake_exc
        if fault is not None:  # its traceback holds all that it was raised in
            fault.__traceback__ = fault.__context__ = None
        if self.is_asked:
            self.scope["extensions"].pop(EXTENSION, None)

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
        if self.disconnected:
            asyncio.get_running_loop().call_soon(socket.connection_lost, None)
        else:
            transport.resume_reading()
        self._break_up()
        return socket


def take_over(
    scope: Scope, listener: Listener, outbox: Outbox, turn: Turn, max_bytes: int
) -> WebSocket:
    """Take over the socket of a handshake that was accepted. Raises KeyError on another server."""
    give: TakeOver = scope["extensions"][EXTENSION]
    return give(listener, outbox, turn, max_bytes)
