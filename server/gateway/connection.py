"""A connection: who it is, what it has yet to answer, what it has yet to get.

One interface; the kinds of transport differ in how a reply and an event are written.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from protocol import codec
from protocol.connections import Transport
from protocol.gateway import EvictionReason
from protocol.message import Limit
from server.gateway.address import network
from server.gateway.frame import Frame
from server.gateway.identity import Identity
from server.gateway.limits import Both
from server.gateway.pace import Pace

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
        self.pace = Pace()
        self.since_ms = since_ms
        self.buckets: dict[Limit, Both] = {}  # of the person and of the address
        self.inbox: deque[Call] = deque()
        self.inbox_bytes = 0  # of what waits in it
        self.arriving_bytes = 0  # of a message, or a body of polling, that has not ended
        self.is_heavy = False  # whether the inbox is counted in the backlog of all
        self.is_unread = False  # whether nothing more is read, until it has less to handle
        self.received = 0  # messages that were answered or wait to be
        self.taken = 0  # messages that were begun: the number of each is part of its origin
        self.number = 0  # in the order in which connections opened
        self.closed = False
        self.expiry: asyncio.TimerHandle | None = None
        self.tell: Callable[[Frame], None] = self.send
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
