"""Where all messages come in: each is answered, and those of one client in order.

What becomes of one message is in `answering.py`.
"""

import asyncio

import msgspec

from protocol import codec
from protocol.connections import Transport
from protocol.errors import Error, Failure, busy, forbidden, unavailable
from protocol.gateway import EvictionReason
from protocol.message import RATES, REGISTRY, Limit, Rates, Registry
from server.database import Database, Key
from server.gateway.answering import UNKNOWN, Answering
from server.gateway.connection import MAX_INBOX, Call, Connection, Data
from server.gateway.context import Parts
from server.gateway.oversight import Oversight
from server.gateway.requests import Requests
from server.gateway.routes import Route, Routes
from server.gateway.runner import Runner
from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import debugging, logger
from server.runtime.origin import written
from server.transport.backlog import Backlog
from server.transport.deadlines import Deadlines
from server.transport.limits import Both, Limits
from server.transport.websocket import LARGE_BYTES

log = logger("gateway")


class Dispatch:
    """Answers messages."""

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
        self.routes = Routes(registry, gauges)
        self.requests = Requests()
        self.runner = Runner("answers")
        self.under_way: dict[Key, Answering] = {}
        self.draining = False
        self.oversight: Oversight | None = (
            None  # what says who may act on others; none in conformance
        )
        self.database: Database | None = None  # opened after the rooms that it publishes to
        self._monotonic = clock.monotonic
        self.is_logged = debugging("gateway")()  # levels are set before anything begins
        self._people = Limits(rates)
        self._addresses = addresses
        self._answering: dict[Connection, asyncio.Future[None] | None] = {}
        """Connections with messages, and what whoever waits for the last answer waits for."""

    def accept(self, connection: Connection, name: str, data: Data, ack: str) -> None:
        """Take a message in: it is answered after those that the client sent before.

        `ack` names it in its answer; it is "" where none is wanted. Nothing more is answered on a
        connection that we have closed.
        """
        if connection.closed:
            return
        connection.received += 1
        at = self._monotonic()
        route = self.routes[name]
        if connection in self._answering or self.draining or route is None:
            self._queue(connection, Call(name, data, ack, at))
        else:
            connection.taken += 1
            self._begin(Answering(self, connection, Call(name, data, ack, at), route))

    def _queue(self, connection: Connection, call: Call) -> None:
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
            return
        if connection in self._answering:
            connection.inbox.append(call)
            connection.inbox_bytes += len(call.data)
            if connection.inbox_bytes > LARGE_BYTES:
                connection.is_heavy = True
                self.backlog.update(connection)
        else:
            connection.taken += 1
            self._begin(Answering(self, connection, call))

    def _begin(self, answering: Answering) -> None:
        """Answer the only message of a connection."""
        self._answering[answering.connection] = None
        if not answering.at_once():
            self.runner.add(answering)

    def admit(self, connection: Connection, route: Route, data: Data, now: float) -> msgspec.Struct:
        """The message, where it may be sent. Raises Failure."""
        if route.permission not in connection.identity.permissions:
            self.count(connection, Limit.READ, now)
            raise forbidden(f"{route.name} needs the permission {route.permission}")
        limit = route.limit
        buckets = connection.buckets.get(limit)
        if buckets is None or not buckets.take(now):
            self.count(connection, limit, now)
        return route.read(data)

    def refuse(self, connection: Connection, error: Error, ack: str) -> None:
        """Answer what can't be read. It counts like a question."""
        if connection.closed:
            return
        connection.received += 1
        try:
            self.count(connection, Limit.READ, self._monotonic())
        except Failure as e:
            error = e.error
        self.gauges.replies.add(UNKNOWN, error.code)
        connection.answer(ack, codec.reply_error(error))
        connection.taken += 1
        if self.is_logged:
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

    def count(self, connection: Connection, limit: Limit, now: float) -> None:
        """Count a message of a person and of an address. Raises Failure `rate_limited`."""
        buckets = connection.buckets.get(limit)
        if buckets is None or buckets.forgotten:
            buckets = connection.buckets[limit] = Both(
                self._people.bucket(connection.identity.id, limit, now),
                self._addresses.bucket(connection.network, limit, now),
            )
        if buckets.take(now):
            return
        limits = self._people
        wait_s = buckets.one.take(now)
        if not wait_s:
            buckets.one.give_back()
            limits = self._addresses
            wait_s = buckets.other.take(now)
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
