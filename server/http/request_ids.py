"""An id for every HTTP request: in each line that is logged for it, and in its answer."""

import re
import time
from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from protocol.ids import uuid7
from protocol.secret import TOKEN
from server.runtime.correlation import CORRELATION_ID
from server.runtime.log import debugging, logger

log = logger("rest")
_debugging = debugging("rest")

HEADER: Final = "x-request-id"
SOCKETIO: Final = "/socket.io/"
_SAFE: Final = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


class RequestIds:
    """Stands around everything that rewrites where a request is from: only a proxy that is trusted
    may name a request, and only so that its name looks like one in the log."""

    def __init__(self, app: ASGIApp, trusted_proxies: Sequence[str]) -> None:
        self._app = app
        self._trusted = [ip_network(one) for one in trusted_proxies]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        ident = self._given(scope) or uuid7()
        began = time.perf_counter()

        async def with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = ident
                if _debugging():
                    self._log(scope, message["status"], time.perf_counter() - began)
            await send(message)

        before = CORRELATION_ID.set(ident)
        try:
            await self._app(scope, receive, with_id)
        finally:
            CORRELATION_ID.reset(before)

    def _given(self, scope: Scope) -> str | None:
        """The id that a trusted proxy has given it."""
        client = scope.get("client")
        if not self._trusted or client is None:
            return None
        try:
            peer = ip_address(client[0])
        except ValueError:
            return None
        if not any(peer in network for network in self._trusted):
            return None
        given = Headers(scope=scope).get(HEADER, "")
        return given if _SAFE.fullmatch(given) and not TOKEN.search(given) else None

    @staticmethod
    def _log(scope: Scope, status: int, took: float) -> None:
        """One line a request: its route, as a path that is none holds a client's words."""
        polls = scope["path"].startswith(SOCKETIO)
        path = SOCKETIO if polls else getattr(scope.get("route"), "path", "") or "/"
        ms = round(took * 1000, 3)
        log.debug("requested", method=scope["method"], route=path, status=status, ms=ms)
