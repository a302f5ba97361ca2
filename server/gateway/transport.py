"""The transports beneath connections: what one may hold back, and an end where nothing moves.

`tests/unit/test_uvicorn_contract.py` holds every name of uvicorn that is relied on here.
"""

import asyncio
import socket
from contextvars import ContextVar
from typing import Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

UNSENT_BYTES: Final = 128 * 1024

TRANSPORT: Final[ContextVar[asyncio.Transport | None]] = ContextVar("transport", default=None)
"""The WebSocket that a task works for. Tasks that it starts inherit it."""


def bound(listener: socket.socket, silence_s: float) -> None:
    """Set what all connections of a listening socket inherit, where the system knows it.

    `silence_s`: how long a peer may acknowledge nothing of what was sent to it.
    """
    for level, name, value in (
        # What can't be sent yet waits in the outbox, where it is counted, and not in the kernel,
        # which would take 4 MB for a client.
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        # Ends what nothing else ends: an answer that is not read, a peer that has vanished.
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", round(silence_s * 1000)),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", max(1, round(silence_s))),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    ):
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(level, option, value)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, which says whose transport it is, and leaves the end to the application."""

    async def run_asgi(self) -> None:
        """Run the application for this WebSocket."""
        TRANSPORT.set(self.transport)
        await super().run_asgi()

    def shutdown(self) -> None:
        """Say that it is over: the application sends what waits and closes, as ever.

        uvicorn's own would cut off what has not been handed to it yet.
        """
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1012})
        else:
            super().shutdown()
