"""Takes in the messages of all connections: those of one client are executed in order.

What becomes of one message is in `pending_message.py`.
"""

import asyncio

from protocol import codec
from protocol.connections import Transport
from protocol.errors import Code, Error, Failure, busy, unavailable
from protocol.gateway import EvictionReason
from protocol.message import RATES, REGISTRY, Limit, Rates, Registry
from server.database import Database, Key
from server.gateway.backlog import Backlog
from server.gateway.connection import MAX_INBOX, Call, Connection, Data
from server.gateway.context import Parts
from server.gateway.handler_registry import HandlerRegistry
from server.gateway.oversight import Oversight
from server.gateway.pending_message import UNKNOWN, PendingMessage
from server.gateway.rate_limits import Limits, MessageLimits
from server.gateway.requests import Requests
from server.gateway.runner import Runner
from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import debugging, logger
from server.runtime.origin import written
from server.transport.deadlines import Deadlines
from server.transport.websocket import LARGE_BYTES

log = logger("gateway")


class Dispatch:
    """Takes in the messages of all connections.

    `pending` are the connections with messages that are not replied to, each with the future of a
    caller of `settle` that waits for the last reply.
    """

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        addresses: Limits,
        gauges: Gauges,
        deadlines: Deadlines,
        backlog: Backlog,
        registry: Registry = REGISTRY,
        rates: Rates = RATES,
    ) -> None:
        self.parts = parts
        self.clock = clock
        self.gauges = gauges
        self.deadlines = deadlines
        self.backlog = backlog
        self.handlers = HandlerRegistry(registry, gauges)
        self.limits = MessageLimits(Limits(rates), addresses)
        self.requests = Requests()
        self.runner = Runner("answers")
        self.under_way: dict[Key, PendingMessage] = {}
        self.pending: dict[Connection, asyncio.Future[None] | None] = {}
        self.draining = False
        self.oversight: Oversight | None = None  # who may act on others; none in conformance mode
        self.database: Database | None = None  # opened after the rooms that it publishes to
        self.is_logged = debugging("gateway")()  # levels are set before anything begins
        self._monotonic = clock.monotonic

    def accept(self, connection: Connection, name: str, data: Data, ack: str) -> None:
        """Take a message in: it is executed after those that the client sent before.

        `ack` names it in its reply; it is "" where none is wanted. Nothing more is executed for a
        connection that we have closed.
        """
        if connection.closed:
            return
        connection.received += 1
        call = Call(name, data, ack, self._monotonic())
        entry = self.handlers[name]
        if (connection in self.pending or self.draining or entry is None) and self._is_put_off(
            connection, call
        ):
            return
        connection.taken += 1
        self.pending[connection] = None
        message = PendingMessage(self, connection, call, entry)
        if not message.at_once():
            self.runner.add(message)

    def _is_put_off(self, connection: Connection, call: Call) -> bool:
        """Refuse a message, or queue it behind those before it. False where it is its turn."""
        error = None
        if self.draining:
            error = unavailable("the server is closing").error
        elif len(connection.inbox) >= MAX_INBOX:
            error = busy(f"more than {MAX_INBOX} messages wait to be answered").error
        elif connection.is_unread and connection.transport is Transport.POLLING:
            # A WebSocket is not read meanwhile; a body of polling has come already.
            error = busy("more bytes wait to be handled than may").error
        if error is not None:
            connection.answer(call.ack, codec.reply_error(error))
            return True
        if connection not in self.pending:
            return False
        connection.inbox.append(call)
        connection.inbox_bytes += len(call.data)
        if connection.inbox_bytes > LARGE_BYTES:
            connection.is_heavy = True
            self.backlog.update(connection)
        return True

    def refuse(self, connection: Connection, error: Error, ack: str) -> None:
        """Reply to what can't be read. It counts like a query."""
        if connection.closed:
            return
        connection.received += 1
        try:
            self.limits.count(connection, Limit.READ, self._monotonic())
        except Failure as e:
            error = e.error
        self.gauges.replies.add(UNKNOWN, error.code)
        connection.answer(ack, codec.reply_error(error))
        connection.taken += 1
        if self.is_logged:
            origin = written((connection.id, connection.taken))
            log.debug("unreadable", code=str(error.code), origin=origin, connection=connection.id)
        if connection.flood_guard.exceeded and not connection.closed:
            connection.evict(EvictionReason.FLOODING)

    def timed_out(self) -> Failure:
        """What a message that is late is replied to with."""
        text = f"no answer within {self.deadlines.limit_s:g} s; it may be carried out all the same"
        return Failure(Error(Code.TIMED_OUT, text))

    async def settle(self, connection: Connection | None = None) -> None:
        """Wait until all that was taken in, from one connection or from all, is replied to."""
        if connection is None:
            while self.pending:
                await self.settle(next(iter(self.pending)))
        elif connection in self.pending:
            done = self.pending[connection]
            if done is None:
                done = self.pending[connection] = asyncio.get_running_loop().create_future()
            await asyncio.wait([done])
