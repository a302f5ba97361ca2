"""How a client of any transport comes in: who it is, and what becomes of it until it is gone."""

from protocol.errors import Code, Failure, unavailable
from server.database import Unavailable
from server.gateway.connection import Connection
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.runtime.log import logger
from server.transport.background import Background
from server.transport.refusals import RefusalReason

log = logger("gateway")


class Arrivals(Background):
    """The clients that come and go. What is done for them runs to its end in the background."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self.gateway = gateway

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
            raise unavailable("the user could not be looked up") from None

    def left(self, connection: Connection, reason: str) -> None:
        """A connection is gone."""
        connection.closed = True
        self.spawn(self.gateway.closed(connection, reason))
