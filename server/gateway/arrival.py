"""How a client of any transport comes in: who it is, and what becomes of it until it is gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from protocol.errors import Code, Failure, unavailable
from server.database import Unavailable
from server.gateway.connection import Connection
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.gateway.refusals import RefusalReason
from server.runtime.log import logger

log = logger("gateway")


class Arrivals:
    """The clients that come and go. What is done for them runs to its end in the background."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._tasks: set[asyncio.Task[Any]] = set()

    async def identify(self, auth: object) -> Identity:
        """Who somebody is. Raises Failure as `Gateway.authenticate` does, and nothing else."""
        try:
            return await self.gateway.authenticate(auth)
        except Failure as e:
            if e.error.code is Code.UNAUTHENTICATED:
                self.gateway.refusals.count(RefusalReason.UNAUTHENTICATED, e.error.message)
            raise
        except Unavailable as e:
            raise unavailable(f"the database: {e}") from None
        except Exception:
            log.exception("handshake_failed")
            raise unavailable("who connects can't be looked up") from None

    def left(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        connection.closed = True
        self.spawn(self.gateway.closed(connection, reason))

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end in the background."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self, timeout_s: float) -> None:
        """Wait for what is under way, but not for ever."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)
