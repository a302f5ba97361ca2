"""Conformance mode, put together: the gateway with nothing behind it, for this machine alone."""

import asyncio
import ipaddress
from collections.abc import Callable, Mapping
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from protocol.ids import uuid7
from protocol.message import ADDRESS_RATES, RATES
from protocol.permissions import Permission
from server.config import ServerSettings
from server.conformance import handlers
from server.conformance.echoes import EngineEcho, WebSocketEcho
from server.conformance.messages import REGISTRY, scaled
from server.conformance.namespaces import EchoNamespace, SuiteNamespace
from server.gateway import Gateway, GatewaySettings, Identity, Services, unhandled
from server.gateway.asgi import Transports, within
from server.gateway.connection import bounds_of
from server.gateway.handshakes import Handshakes
from server.http import serving
from server.runtime.background import BackgroundTask
from server.runtime.clock import Clock, SystemClock
from server.runtime.metrics import Metrics
from server.runtime.signals import on_end
from server.transport.engineio_server import EngineIOServer
from server.transport.engineio_server import Options as SessionOptions
from server.transport.packet import MAIN
from server.transport.socketio import Namespace

ENGINE_IO: Final = "/engine.io"
ECHO: Final = "/echo"
CUSTOM: Final = "/custom"
HANDLERS: Final = (handlers,)
"""Importing them registers them."""
RETRY_AFTER_MS: Final = 1000
DRAIN_S: Final = 1.0
ECHO_OUTBOX: Final = 8
"""So many of the largest messages may wait for a client of the echo."""


def _namespaces(handshakes: Handshakes) -> Mapping[str, Namespace]:
    return {MAIN: SuiteNamespace(handshakes), CUSTOM: EchoNamespace(CUSTOM)}


async def _anybody(_: object) -> Identity:
    """Everybody is let in, and may play."""
    return Identity(uuid7(), "anybody", frozenset({Permission.CONNECT, Permission.PLAY}))


class ConformanceSite:
    """One server. `echo_max_bytes`: of a message to `/echo`."""

    def __init__(self, settings: ServerSettings, echo_max_bytes: int) -> None:
        self.settings = settings
        self.clock: Clock = SystemClock()
        metrics, services = Metrics(), Services()
        limits = settings.of(GatewaySettings)
        self.gateway = gateway = Gateway(
            limits,
            services,
            self.clock,
            metrics,
            REGISTRY,
            scaled(RATES),
            scaled(ADDRESS_RATES),
        )
        gateway.authenticate_by(_anybody)
        self.refusals = gateway.refusals
        services.add(gateway)
        self.background: dict[str, BackgroundTask] = {
            "progress": gateway.watch_progress,
            "deadlines": gateway.deadlines.watch,
            "slow": gateway.refusals.slow.watch,
        }
        bounds = bounds_of(gateway)
        self._echo = WebSocketEcho(
            bounds._replace(limit_bytes=ECHO_OUTBOX * echo_max_bytes), echo_max_bytes
        )
        options = SessionOptions(
            limits.ping_interval_ms, limits.ping_timeout_ms, limits.max_message_bytes
        )
        self._engine = EngineIOServer(
            options,
            bounds,
            self._allows_origin,
            EngineEcho,
            gateway.refusals,
            gateway.admission,
        )
        self._sockets = Transports(gateway, self._allows_origin, _rest(metrics), _namespaces)
        self.asgi: ASGIApp = self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. An ASGI application."""
        if within(scope["path"], ENGINE_IO):
            await self._engine(scope, receive, send)
        elif within(scope["path"], ECHO):
            await self._echo(scope, receive, send)
        else:
            await self._sockets(scope, receive, send)

    def _allows_origin(self, origin: str, scope: Scope) -> bool:
        allowed = self.settings.cors_origins
        return not allowed or origin in allowed

    async def drain(self) -> None:
        """Say good-bye to all clients."""
        await self.gateway.drain(RETRY_AFTER_MS, DRAIN_S)
        await self._engine.close(DRAIN_S)
        await self._sockets.close(DRAIN_S)


def _rest(metrics: Metrics) -> ASGIApp:
    async def metrics_text(_: Request) -> Response:
        text, content_type = metrics.expose()
        return Response(text, headers={"content-type": content_type})

    return Starlette(routes=[Route("/metrics", metrics_text)])


def is_loopback(host: str) -> bool:
    """Whether an address is of this machine alone. A name other than `localhost` is not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def serve(
    settings: ServerSettings, echo_max_bytes: int, ready: Callable[[str], None]
) -> None:
    """Run a server until SIGTERM or SIGINT. `ready` is called with the address once it listens.

    Raises ValueError for a host that others can reach: nobody is asked who they are. OSError where
    the address can't be had.
    """
    if not is_loopback(settings.host):
        raise ValueError(
            f"HOST must be a loopback address in conformance mode, not {settings.host!r}"
        )
    if names := unhandled(REGISTRY):
        raise RuntimeError(f"nobody handles {', '.join(names)}")
    stop = asyncio.Event()
    on_end(stop.set)
    listener = serving.listen(settings, settings.of(GatewaySettings).silence_s)
    await serving.serve(ConformanceSite(settings, echo_max_bytes), listener, stop, ready)
