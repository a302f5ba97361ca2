"""uvicorn, as it is run here: leaves signals to us, says when it listens, and ends in time."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn

GRACE_S: Final = 2.0
CUT_OFF_S: Final = 1.0


class WebServer(uvicorn.Server):
    """The server of HTTP and WebSockets."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none: clients hear of the end before their sockets close."""
        yield

    async def end(self, serving: "asyncio.Task[None]") -> None:
        """Take nobody in any more, and end all connections, whatever their clients do.

        Requests are answered and what waits is sent for `GRACE_S`; then they are cut off. What
        still works for one of them after `CUT_OFF_S` more is left to the end of the loop.
        """
        self.should_exit = True
        await asyncio.wait({serving}, timeout=GRACE_S)
        for connection in self.server_state.connections.copy():
            connection.transport.abort()
        await asyncio.wait({serving}, timeout=CUT_OFF_S)
        self.force_exit = True
        await serving
