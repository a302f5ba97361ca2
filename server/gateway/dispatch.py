"""Where all messages come in: each is answered, and those of one client in order.

What becomes of one message is in `answering.py`.
"""

import asyncio

from protocol import codec
from protocol.errors import Error, Failure, busy, unavailable
from protocol.gateway import EvictionReason
from protocol.message import RATES, REGISTRY, Limit, Registry
from server.database import Database, Key
from server.gateway.answering import UNKNOWN, Answering
from server.gateway.connection import MAX_INBOX, Call, Connection
from server.gateway.context import Parts
from server.gateway.deadlines import Deadlines
from server.gateway.limits import Limits
from server.gateway.requests import Requests
from server.gateway.runner import Runner
from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import debugging, logger
from server.runtime.origin import written

log = logger("gateway")
_debugging = debugging("gateway")


class Dispatch:
    """Answers messages."""

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        addresses: Limits,
        gauges: Gauges,
        deadlines: Deadlines,
        registry: Registry = REGISTRY,
    ) -> None:
        self.registry = registry
        self.parts = parts
        self.clock = clock
        self.gauges = gauges
        self.deadlines = deadlines
        self.requests = Requests()
        self.runner = Runner("answers")
        self.under_way: dict[Key, Answering] = {}
        self.draining = False
        self.database: Database | None = None  # opened after the rooms that it publishes to
        self._people = Limits(RATES, scale=registry.limit_scale)
        self._addresses = addresses
        self._answering: dict[Connection, asyncio.Future[None] | None] = {}
        """Connections with messages, and what whoever waits for the last answer waits for."""

    def accept(self, connection: Connection, call: Call) -> None:
        """Take a message in. It is answered after those that the client sent before.

        Nothing more is answered on a connection that we have closed.
        """
        if connection.closed:
            return
        connection.received += 1
        if self.draining:
            error = unavailable("the server is closing").error
            connection.answer(call.ack, codec.reply_error(error))
            return
        if len(connection.inbox) >= MAX_INBOX:
            error = busy(f"more than {MAX_INBOX} messages wait to be answered").error
            connection.answer(call.ack, codec.reply_error(error))
            return
        connection.inbox.append(call)
        if connection not in self._answering:
            self._answering[connection] = None
            answering = Answering(self, connection)
            if not answering.at_once():
                self.runner.add(answering)

    def refuse(self, connection: Connection, error: Error, ack: str) -> None:
        """Answer what can't be read. It counts like a question."""
        if connection.closed:
            return
        connection.received += 1
        try:
            self.count(connection, Limit.READ)
        except Failure as e:
            error = e.error
        self.gauges.replies.add(UNKNOWN, error.code)
        connection.answer(ack, codec.reply_error(error))
        connection.taken += 1
        if _debugging():
            origin = written((connection.id, connection.taken))
            log.debug("unreadable", code=str(error.code), origin=origin, connection=connection.id)
        self._let_go(connection)

    async def settle(self, connection: Connection | None = None) -> None:
        """Wait until all that was taken in, from one connection or from all, is answered."""
        if connection is None:
            while self._answering:
                await self.settle(next(iter(self._answering)))
        elif connection in self._answering:
            done = self._answering[connection]
            if done is None:
                done = self._answering[connection] = asyncio.get_running_loop().create_future()
            await asyncio.wait([done])

    def count(self, connection: Connection, limit: Limit) -> None:
        """Count a message of a person and of an address. Raises Failure `rate_limited`."""
        who, now = connection.identity.id, self.clock.monotonic()
        limits = self._people
        wait_s = limits.take(who, limit, now)
        if not wait_s:
            limits = self._addresses
            wait_s = limits.take(connection.network, limit, now)
            if not wait_s:
                return
            self._people.give_back(who, limit)
        connection.pace.refused(limit, int(wait_s * 1000) / 1000, now)
        raise limits.refusal(limit, wait_s)

    def answered(self, connection: Connection) -> None:
        """A message of a connection has ended: its next one may be taken."""
        self._let_go(connection)
        if connection.inbox:
            self.runner.add(Answering(self, connection))
        elif (done := self._answering.pop(connection)) is not None:
            done.set_result(None)

    @staticmethod
    def _let_go(connection: Connection) -> None:
        if connection.pace.lost and not connection.closed:
            connection.evict(EvictionReason.FLOODING)
