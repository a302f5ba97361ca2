"""Handshakes: authenticates a client of any transport, and holds the tasks of its connection."""

import asyncio
from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

from protocol.endings import RefusalReason
from protocol.errors import Code, Error, Failure, invalid, unauthenticated, unavailable
from server.database import Unavailable
from server.gateway.connection import Connection
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.runtime.log import logger

log = logger("gateway")


class Handshakes:
    """Those of all transports. What is done for a client runs to its end in the background."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._tasks: set[asyncio.Task[Any]] = set()

    async def identify(self, auth: object) -> Identity:
        """The identity behind credentials.

        Raises Failure as `Gateway.authenticate` does, and nothing else.
        """
        try:
            return await self.gateway.authenticate(auth)
        except Failure as e:
            if e.error.code is Code.UNAUTHENTICATED:
                self.gateway.refusals.count(RefusalReason.UNAUTHENTICATED, e.error.message)
            raise
        except Unavailable as e:
            raise unavailable(f"the database is unavailable: {e}") from None
        except Exception:
            log.exception("handshake_failed")
            raise unavailable("the user lookup failed; retry") from None

    def left(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        connection.closed = True
        self.spawn(self.gateway.closed(connection, reason))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end, whatever becomes of the client that it was begun for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self, timeout_s: float) -> None:
        """Wait for what is running, but not for ever."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)


def credentials_of(scope: Scope, allow_token_in_address: bool) -> dict[str, str] | None:
    """The credentials in the address or the headers of a request, None where it has none.

    Raises Failure `invalid`, `unauthenticated`.
    """
    query: dict[str, Any] = parse_qs(scope["query_string"].decode("latin-1"))
    if "token" in query:
        if not allow_token_in_address:
            raise invalid("token", "must be sent in a header: addresses end up in logs")
        return {"token": query["token"][0]}
    scheme, _, credentials = Headers(scope=scope).get("authorization", "").partition(" ")
    match scheme.lower():
        case "":
            return None
        case "bearer":
            return {"token": credentials}
        case "service-key":
            return {"service_key": credentials}
    raise unauthenticated("Authorization must be `Bearer <token>` or `Service-Key <key>`")


def room_of(path: str) -> str | None:
    """The room that a path names, None where it names none. Raises Failure `not_found`."""
    parts = path.strip("/").split("/")
    if len(parts) == 1:
        return None
    if len(parts) != 3:
        raise Failure(
            Error(Code.NOT_FOUND, "unknown address: WebSockets are at /ws and /ws/<kind>/<id>")
        )
    return f"{parts[1]}:{parts[2]}"
