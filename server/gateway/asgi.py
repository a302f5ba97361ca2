"""All ways in: Socket.IO under `/socket.io/`, plain WebSockets under `/ws`, beside the rest."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from protocol.endings import RefusalReason
from server.gateway.connection import bounds_of
from server.gateway.gateway import Gateway
from server.gateway.handshakes import Handshakes
from server.gateway.json_websocket import PlainWebSocket
from server.gateway.main_namespace import MainNamespace
from server.transport.engineio import EngineIOSession
from server.transport.engineio_server import AllowsOrigin, EngineIOServer, Options
from server.transport.packet import MAIN
from server.transport.socketio import Namespace, SocketIOClient

SOCKET_IO: Final = "/socket.io"
PLAIN: Final = "/ws"
_NOT_FOUND: Final = PlainTextResponse("Not Found", 404)


def _main_namespace(handshakes: Handshakes) -> Mapping[str, Namespace]:
    return {MAIN: MainNamespace(handshakes)}


class Transports:
    """The ways into a gateway. An ASGI application; `rest` answers what is none of theirs.

    `namespaces`: those of Socket.IO, by their names.
    """

    def __init__(
        self,
        gateway: Gateway,
        allows_origin: AllowsOrigin,
        rest: ASGIApp,
        namespaces: Callable[[Handshakes], Mapping[str, Namespace]] = _main_namespace,
    ) -> None:
        settings = gateway.settings
        self._gateway = gateway
        self._handshakes = handshakes = Handshakes(gateway)
        self._spawn = handshakes.spawn  # one bound method for all connections
        self._namespaces = namespaces(handshakes)
        options = Options(
            settings.ping_interval_ms, settings.ping_timeout_ms, settings.max_message_bytes
        )
        self._engineio = EngineIOServer(
            options,
            bounds_of(gateway),
            allows_origin,
            self._client,
            gateway.refusals,
            gateway.admission,
        )
        self._plain = PlainWebSocket(handshakes, allows_origin)
        self._rest = rest

    def _client(self, session: EngineIOSession) -> SocketIOClient:
        settings = self._gateway.settings
        timeout_s = settings.connect_timeout_ms / 1000
        return SocketIOClient(
            session, self._namespaces, self._spawn, timeout_s, settings.max_message_bytes
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"]
        if within(path, SOCKET_IO):
            await self._engineio(scope, receive, send)
        elif within(path, PLAIN):
            await self._plain(scope, receive, send)
        elif scope["type"] == "websocket":
            self._gateway.refusals.count(RefusalReason.BAD_REQUEST, "unknown WebSocket path")
            await _NOT_FOUND(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def close(self, timeout_s: float) -> None:
        """Hang up on everybody, also on those who have not logged in, and see them off."""
        await asyncio.gather(self._engineio.close(timeout_s), self._plain.close(timeout_s))
        await self._handshakes.settled(timeout_s)


def within(path: str, root: str) -> bool:
    """Whether a path is a root, or lies under it."""
    return path == root or path.startswith(f"{root}/")
