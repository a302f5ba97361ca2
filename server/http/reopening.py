"""Opening a server anew in a process that keeps running, and the answers until that is done."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protocol.errors import unavailable
from server.database import AWAY, Unavailable
from server.http import serving
from server.http.rest import EXCEPTION_HANDLERS
from server.runtime.log import logger

log = logger("app")

AGAIN_S: Final = 1.0

T = TypeVar("T")


async def reopened(
    open_one: Callable[[], Awaitable[T]],
    listener: socket.socket,
    stop: asyncio.Event,
    health: list[Route],
) -> T | None:
    """What `open_one` returns, tried again for as long as the database can't be used: in a
    fail-over it may be away. None where `stop` is set before.

    The first attempt is quick where it succeeds: clients wait in the backlog of the listener. From
    then on requests are answered with 503, and those about health by `health`.
    """
    async with AsyncExitStack() as answering:
        answered = False
        while not stop.is_set():
            try:
                return await open_one()
            except (OSError, ValueError, Unavailable, *AWAY) as e:
                log.warning("reopening_failed", error=f"{type(e).__name__}: {e}")
            except Exception:
                # Such as a table that is not there yet: the database may be being restored.
                log.exception("reopening_failed")
            if not answered:
                closed = serving.answering(_closed(health), listener.dup())
                await answering.enter_async_context(closed)
                answered = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), AGAIN_S)
    return None


def _closed(health: list[Route]) -> Starlette:
    """The site of a process without a database."""

    async def other(_: Request) -> Response:
        raise unavailable("the database is not available")

    routes = [*health, Route("/{path:path}", other, methods=["GET", "POST"])]
    return Starlette(routes=routes, exception_handlers=EXCEPTION_HANDLERS)
