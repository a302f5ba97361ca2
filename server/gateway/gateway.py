"""The gateway: connections of every kind, the path of their messages, rooms, presence."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from protocol.errors import unavailable
from protocol.gateway import Closing, Evicted, EvictionReason
from protocol.message import ADDRESS_RATES, RATES, REGISTRY, Event, Rates, Registry
from protocol.times import rfc3339
from server.database import Database
from server.gateway.admission import Admission, Most
from server.gateway.backlog import Backlog, BacklogLimits
from server.gateway.connection import Connection, announcement
from server.gateway.context import Services
from server.gateway.dispatch import Dispatch
from server.gateway.identity import Identity
from server.gateway.oversight import Oversight
from server.gateway.presence import ConnectionRegistry, Presence
from server.gateway.rate_limits import Limits
from server.gateway.rights import ConnectionRights
from server.gateway.rooms import Rooms
from server.gateway.settings import GatewaySettings
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.runtime.metrics import Metrics
from server.transport.deadlines import Deadlines
from server.transport.refusals import Refusals

log = logger("gateway")

CHECK_EVERY_S: Final = 1.0

Authenticate = Callable[[object], Awaitable[Identity]]


async def _nobody(_: object) -> Identity:
    raise unavailable("the server is starting")


class Gateway:
    """One gateway a process. It knows no domain."""

    def __init__(
        self,
        settings: GatewaySettings,
        services: Services,
        clock: Clock,
        metrics: Metrics,
        registry: Registry = REGISTRY,
        rates: Rates = RATES,
        address_rates: Rates = ADDRESS_RATES,
    ) -> None:
        """`rates` are those of one user or service, `address_rates` those of one address."""
        self.settings = settings
        self.clock = clock
        self.metrics = metrics
        self.rooms = Rooms(metrics, clock)
        self.presence = Presence()
        self.connections = ConnectionRegistry()
        self.rights = ConnectionRights(self.presence, clock)
        self.addresses = Limits(
            address_rates, scale=settings.address_limit_scale, whose=" per address"
        )
        self.deadlines = Deadlines(clock, settings.command_timeout)
        self.refusals = Refusals(
            metrics,
            clock,
            settings.receive_timeout_ms / 1000,
            settings.command_timeout,
            settings.max_unauthenticated_connections,
        )
        self.admission = Admission(
            Most(settings.max_connections_per_address, settings.max_connections_per_user),
            self.connections.open_of,
            self.refusals,
            clock.monotonic,
        )
        self.backlog = Backlog(
            BacklogLimits.of(settings.max_message_bytes, settings.backlog_limit_bytes)
        )
        self.dispatch = Dispatch(
            services, clock, self.addresses, metrics, self.deadlines, self.backlog, registry, rates
        )
        self._authenticate: Authenticate = _nobody
        self.draining = False
        metrics.watch("warroom_connections", "Open connections.", lambda: len(self.presence))
        metrics.watch(
            "warroom_transports",
            "Open sessions and WebSockets, logged in or not.",
            lambda: self.admission.taken,
        )
        metrics.watch(
            "warroom_unauthenticated_connections",
            "Open connections, and requests that are coming in, of clients not authenticated.",
            lambda: len(self.refusals.unauthenticated),
        )
        metrics.watch(
            "warroom_backlog_bytes",
            "Bytes of clients that hold much of what they have sent and was not handled yet.",
            lambda: self.backlog.total_bytes,
        )
        metrics.watch(
            "warroom_backlog_stopped_connections",
            "Connections that are not read until what they have sent is handled.",
            lambda: self.backlog.stopped,
        )
        metrics.watch(
            "warroom_outbox_messages",
            "Messages that wait for all clients together.",
            lambda: sum(c.traffic.queued for c in self.presence.connections()),
        )
        metrics.watch(
            "warroom_outbox_bytes",
            "Bytes that wait for all clients together.",
            lambda: sum(c.traffic.queued_bytes for c in self.presence.connections()),
        )

    def use(self, database: Database) -> None:
        """Take the database, once it is open."""
        self.rooms.database = database
        self.dispatch.database = database

    def oversee(self, oversight: Oversight) -> None:
        """Take what guards commands that act on others."""
        self.dispatch.oversight = oversight

    def authenticate_by(self, authenticate: Authenticate) -> None:
        """Take what says who opens a connection. Until then nobody can."""
        self._authenticate = authenticate

    def timestamp(self) -> str:
        """Now, as it stands in a message."""
        return rfc3339(self.clock.now_ms())

    async def authenticate(self, auth: object) -> Identity:
        """Who opens a connection.

        Raises Failure `unauthenticated`, `unavailable`, `rate_limited`.
        """
        identity = await self._authenticate(auth)
        self.admission.log_in(identity)
        if self.draining:
            raise unavailable("the server is closing")
        return identity

    async def opened(self, connection: Connection) -> None:
        """A connection has authenticated.

        Rights that have changed since they were read close it again. There is no await between
        that look and the moment in which it is among the open ones.
        """
        self.rights.opened(connection)
        self.connections.add(connection)
        await self.presence.opened(connection)
        log.info("connected", connection=connection.id, person=connection.identity.id)

    async def closed(self, connection: Connection, reason: str) -> None:
        """A connection is gone. What it sent before is still answered and committed."""
        self.rights.closed(connection)
        self.connections.remove(connection)
        connection.arriving_bytes = 0
        self.backlog.update(connection)
        await self.dispatch.settle(connection)
        self.backlog.forget(connection)
        self.rooms.leave_all(connection)
        await self.presence.closed(connection)
        log.info(
            "disconnected",
            connection=connection.id,
            person=connection.identity.id,
            reason=reason,
        )

    def disconnect(self, connection: Connection, message: str) -> None:
        """Let a connection go because somebody wants it, whom the message is from.

        What waits for it is sent before.
        """
        if not connection.closed:
            reason = EvictionReason.DISCONNECTED
            self.metrics.evicted.labels(reason).inc()
            self.send_event(connection, Evicted(reason=reason, message=message))
            connection.close()
            log.info(
                "evicted", connection=connection.id, person=connection.identity.id, reason=reason
            )

    def send_event(self, connection: Connection, event: Event) -> None:
        """Send an event to one connection."""
        connection.send(announcement(event, self.timestamp()))

    async def watch_progress(self) -> None:
        """Let go who takes nothing of what waits. A background task."""
        while True:
            await self.clock.sleep(CHECK_EVERY_S)
            for connection in self.presence.connections():
                connection.check()

    async def drain(self, retry_after_ms: int, timeout_s: float) -> None:
        """Take nobody and nothing in, answer what was taken in, say good-bye.

        After `timeout_s` what is not answered stays so; it is still committed.
        """
        self.draining = self.dispatch.draining = True
        for connection in self.presence.connections():
            self.send_event(connection, Closing(retry_after_ms=retry_after_ms))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self.dispatch.settle()
        for connection in self.presence.connections():
            connection.close()
