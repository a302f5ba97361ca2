"""uvicorn, as it is run here: leaves signals to us, says when it listens, and ends in time.

All answers have the same security headers, also those that no application makes.
"""

import asyncio
import contextlib
import functools
import gc
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Final, Protocol

import uvicorn
from starlette.types import ASGIApp

from server.http.request_timeouts import TimedRequests
from server.runtime.background import BackgroundTask, run_all
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.transport.handshake import Handshake
from server.transport.refusals import Refusals
from server.transport.websocket import RESTRICTED_BYTES

if TYPE_CHECKING:
    from server.config import ServerSettings

log = logger("app")

GRACE_S: Final = 2.0
CUT_OFF_S: Final = 1.0
GC_THRESHOLDS: Final = (10_000, 100, 500)
"""Rare collections: one of all that lives holds everybody up, for 13 ms with 200 clients. Those of
what is new are short: a handshake leaves some sixty objects, and where 2,000 come in 5 s, the
collection of 100,000 held up all for 50 ms."""

UNSENT_BYTES: Final = 128 * 1024
UNREAD_BYTES: Final = 64 * 1024
"""What the kernel holds of a client that is not read; Linux doubles it, and one read brings as much
at most. Else the kernel holds several megabytes, and one read brings 256 kB."""
LEAST_SILENCE_S: Final = 10.0
"""Less would end connections of peers that are only busy: this is for those that are gone."""
SECURITY_HEADERS: Final[dict[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""The page needs nothing from elsewhere, and no text of it becomes HTML or a script: the last line
of the policy has the browser see to that. Its own WebSocket is 'self' too; Safari before 16 thinks
otherwise, and polls. Pages that CORS_ORIGINS names ask by CORS, which the last header says nothing
of."""


class Site(Protocol):
    """What is served."""

    settings: "ServerSettings"
    clock: Clock
    asgi: ASGIApp
    background: dict[str, BackgroundTask]
    refusals: Refusals

    async def drain(self) -> None:
        """Say good-bye to all clients, and answer what was taken in."""
        ...


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


def bound(listener: socket.socket, silence_s: float) -> None:
    """Set what all connections of a listening socket inherit, where the system knows it.

    `silence_s`: how long a peer may acknowledge nothing of what was sent to it; LEAST_SILENCE_S at
    least.
    """
    silence_s = max(silence_s, LEAST_SILENCE_S)
    for level, name, value in (
        # What can't be sent yet waits in the outbox, where it is counted, and not in the kernel,
        # which would take 4 MB for a client.
        (socket.IPPROTO_TCP, "TCP_NOTSENT_LOWAT", UNSENT_BYTES),
        (socket.SOL_SOCKET, "SO_RCVBUF", UNREAD_BYTES),
        # Ends what nothing else ends: an answer that is not read, a peer that has vanished.
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", round(silence_s * 1000)),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", round(silence_s)),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    ):
        if (option := getattr(socket, name, None)) is not None:
            listener.setsockopt(level, option, value)


def listen(settings: "ServerSettings", silence_s: float) -> socket.socket:
    """Take the address; `silence_s` as for `bound`. Raises OSError where it can't be had."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = (settings.host, settings.port)
    listener = socket.create_server(address, family=family, backlog=2048)
    bound(listener, silence_s)
    return listener


async def serve(
    site: Site, listener: socket.socket, stop: asyncio.Event, ready: Callable[[str], None]
) -> None:
    """Serve a site until `stop` is set; `ready` is called with the address once it listens.

    Raises BackgroundTaskFailed (in a group) where a background task keeps crashing.
    """
    web = WebServer(
        uvicorn.Config(
            site.asgi,
            http=functools.partial(TimedRequests, site.refusals),  # type: ignore[arg-type]
            ws=functools.partial(Handshake, site.refusals),  # type: ignore[arg-type]
            ws_max_size=RESTRICTED_BYTES,  # until a socket is taken over: then the gateway's hold
            ws_per_message_deflate=False,
            ws_ping_interval=None,  # the gateway pings
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            headers=list(SECURITY_HEADERS.items()),
            proxy_headers=False,  # it stands in the application, within the ids of requests
        )
    )
    serving = asyncio.create_task(web.serve([listener]), name="web")
    serving.add_done_callback(lambda _: stop.set())
    background = asyncio.create_task(run_all(site.background, site.clock, stop))
    background.add_done_callback(lambda _: stop.set())
    # What lives as long as the process is not looked at by the garbage collector again.
    gc.unfreeze()  # what a server before this one has left
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    listening = asyncio.create_task(web.listening.wait())
    await asyncio.wait({listening, serving}, return_when=asyncio.FIRST_COMPLETED)
    listening.cancel()
    if web.started:
        address = _address(listener)
        log.info("listening", address=address)
        ready(address)
    await stop.wait()
    log.info("closing")
    await site.drain()
    await web.end(serving)
    await background


@contextlib.asynccontextmanager
async def answering(app: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve an application without background tasks, WebSockets or connections to close."""
    web = WebServer(
        uvicorn.Config(
            app,
            ws="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            headers=list(SECURITY_HEADERS.items()),
            proxy_headers=False,
        )
    )
    serving = asyncio.create_task(web.serve([listener]), name="web")
    try:
        yield
    finally:
        await web.end(serving)


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
