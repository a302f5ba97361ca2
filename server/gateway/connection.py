"""A connection: who it is, what it has yet to answer, what it has yet to get.

One interface; the kinds of transport differ in how a reply and an event are written.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from protocol import codec
from protocol.connections import Transport
from protocol.gateway import Evicted, EvictionReason
from protocol.message import Event, Limit, spec_of
from server.gateway.identity import Identity
from server.gateway.rate_limits import BucketPair, FloodGuard
from server.runtime.log import logger
from server.transport.limits import network
from server.transport.outbox import Frame, Outbox, OutboxLimits

if TYPE_CHECKING:
    from server.gateway.gateway import Gateway


MAX_INBOX: Final = 256
MAX_SPARE_BYTES: Final = 1024 * 1024


Data = msgspec.Raw | bytes
"""What a message carries, as JSON."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A command or query that came in `at` a moment (monotonic, seconds).

    `ack` names it in its answer; it is "" where none is wanted.
    """

    name: str
    data: Data
    ack: str
    at: float
    __repr__ = object.__repr__  # the data may hold a password


class Traffic(NamedTuple):
    """What waits for a client, in messages and bytes, and how many have left for it."""

    queued: int
    queued_bytes: int
    sent: int


class Connection(ABC):
    """One client."""

    def __init__(self, ident: str, identity: Identity, address: str, since_ms: int) -> None:
        self.id = ident
        self.identity = identity
        self.address = address
        self.network = network(address)
        self.flood_guard = FloodGuard()
        self.since_ms = since_ms
        self.buckets: dict[Limit, BucketPair] = {}  # of the user and of the address
        self.inbox: deque[Call] = deque()
        self.inbox_bytes = 0  # of what waits in it
        self.arriving_bytes = 0  # of a message, or a body of polling, that has not ended
        self.is_heavy = False  # whether the inbox is counted in the backlog of all
        self.is_unread = False  # whether nothing more is read, until it has less to handle
        self.received = 0  # messages that were answered or wait to be
        self.taken = 0  # messages that were begun: the number of each is part of its correlation id
        self.number = 0  # in the order in which connections opened
        self.closed = False
        self.expiry: asyncio.TimerHandle | None = None
        self.deliver: Callable[[Frame], None] = self.send
        """`send`, without a call around it where a transport has one."""

    @property
    def user_id(self) -> str:
        """Whose connection it is: the id of a user or of a service."""
        return self.identity.id

    def stop_reading(self) -> None:
        """Read nothing more of the client: it has sent more than is handled yet."""
        self.is_unread = True

    def read_on(self) -> None:
        """Read on."""
        self.is_unread = False

    @abstractmethod
    def send(self, frame: Frame) -> None:
        """Queue an event."""

    @abstractmethod
    def answer(self, ack: str, reply: bytes) -> None:
        """Queue the answer to the message with that ack: a whole reply, as JSON.

        Does nothing for "".
        """

    def reply(self, ack: str, data: bytes) -> None:
        """Queue the answer that all went well: the data, as JSON."""
        self.answer(ack, codec.reply_data(data))

    def spare_bytes(self) -> int:
        """How much may be queued for it at once, without its being let go soon."""
        return MAX_SPARE_BYTES

    @property
    def transport(self) -> Transport:
        """How it is carried."""
        return Transport.WEBSOCKET

    @property
    def traffic(self) -> Traffic:
        """How it is doing."""
        return Traffic(0, 0, 0)

    @abstractmethod
    def close(self) -> None:
        """Answer nothing more, send what is queued, then close, within seconds."""

    @abstractmethod
    def evict(self, reason: EvictionReason) -> None:
        """Drop what is queued, say why, and close."""

    @abstractmethod
    def check(self) -> None:
        """Evict it where it takes nothing of what waits for it. Called every second."""


log = logger("gateway")


def bounds_of(gateway: "Gateway") -> OutboxLimits:
    """The bounds of all outboxes of a gateway."""
    settings, dropped = gateway.settings, gateway.metrics.dropped
    return OutboxLimits(
        settings.outbox_limit_bytes,
        settings.outbox_stall_s,
        gateway.clock.monotonic,
        lambda delivery: dropped.labels(delivery).inc(),
    )


class BufferedConnection(Connection):
    """A client with an outbox."""

    def __init__(
        self, gateway: "Gateway", ident: str, identity: Identity, address: str, outbox: Outbox
    ) -> None:
        super().__init__(ident, identity, address, gateway.clock.now_ms())
        self._gateway = gateway
        self._outbox = outbox
        outbox.overflow = self.evict
        self.deliver = outbox.push_frame  # it takes in nothing once this is closed

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
        self._gateway.metrics.evicted.labels(reason).inc()
        self._outbox.clear()
        self.send(announcement(Evicted(reason=reason), self._gateway.timestamp()))
        self.close()

    def check(self) -> None:
        """Evict it where it takes nothing of what waits for it."""
        self._outbox.check()


def announcement(event: Event, at: str) -> Frame:
    """An event told to a connection, not in a room."""
    spec = spec_of(type(event))
    assert spec.delivery is not None
    return Frame.of(spec.name, codec.encode(event), codec.Meta(room="", at=at), spec.delivery)
