"""A connection whose replies and events wait in an outbox: what all transports have in common."""

from abc import abstractmethod
from typing import TYPE_CHECKING

from protocol.gateway import Evicted, EvictionReason
from server.gateway.connection import Connection, Traffic
from server.gateway.frame import Frame, announcement
from server.gateway.identity import Identity
from server.gateway.outbox import Bounds, Outbox
from server.runtime.log import logger

if TYPE_CHECKING:
    from server.gateway.gateway import Gateway

log = logger("gateway")


def bounds_of(gateway: "Gateway") -> Bounds:
    """The bounds of all outboxes of a gateway."""
    settings, dropped = gateway.settings, gateway.gauges.dropped
    return Bounds(
        settings.outbox_limit_bytes,
        settings.outbox_stall_s,
        gateway.clock.monotonic,
        lambda delivery: dropped.labels(delivery).inc(),
    )


class Queued(Connection):
    """A client with an outbox."""

    def __init__(
        self, gateway: "Gateway", ident: str, identity: Identity, address: str, outbox: Outbox
    ) -> None:
        super().__init__(ident, identity, address, gateway.clock.now_ms())
        self._gateway = gateway
        self._outbox = outbox
        outbox.overflow = self.evict
        self.tell = outbox.push_frame  # it takes in nothing once this is closed

    def send(self, frame: Frame) -> None:
        """Queue an event."""
        if not self.closed:
            self._outbox.push_frame(frame)

    def spare_bytes(self) -> int:
        """How much may be queued for it at once, without its being let go soon."""
        return self._outbox.spare_bytes

    @property
    def traffic(self) -> Traffic:
        """How it is doing."""
        outbox = self._outbox
        return Traffic(len(outbox), outbox.queued_bytes, outbox.sent)

    def close(self) -> None:
        """Answer nothing more, send what is queued, then close."""
        if not self.closed:
            self.closed = True
            self.inbox.clear()
            self.inbox_bytes = self.arriving_bytes = 0
            self._gateway.backlog.forget(self)
            self._outbox.shut()
            self._hang_up()

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message, or of a body, that has not ended."""
        if not self.closed:
            self.arriving_bytes = size
            self._gateway.backlog.update(self)

    @abstractmethod
    def _hang_up(self) -> None:
        """Send what is queued, then close the transport."""

    def evict(self, reason: EvictionReason) -> None:
        """Drop what is queued, say why, and close."""
        if self.closed:
            return
        log.info("evicted", connection=self.id, person=self.identity.id, reason=reason)
        self._gateway.gauges.evicted.labels(reason).inc()
        self._outbox.clear()
        self.send(announcement(Evicted(reason=reason), self._gateway.timestamp()))
        self.close()

    def check(self) -> None:
        """Evict it where it takes nothing of what waits for it."""
        self._outbox.check()
