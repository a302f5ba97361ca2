"""What a client has yet to get: one queue for replies and events, bounded in bytes and in time.

It stands in the place of the queue that an Engine.IO socket takes from, and hands out a batch at
a time, so that what lies in the socket's hands stays small and everything else is counted here.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from engineio.packet import MESSAGE, Packet

from protocol.gateway import EvictionReason
from protocol.message import Delivery
from server.gateway.frame import Frame, after_dropped
from server.gateway.transport import TRANSPORT

BATCH_BYTES: Final = 64 * 1024
MAX_BATCH_PACKETS: Final = 10_000
"""At once. Less for a client that takes less."""
ITEM_BYTES: Final = 64
"""What a packet without data takes, about: many that are empty are a lot too."""
MAX_LOSSY: Final = 64
MAX_GAPS: Final = 64

Key = tuple[str, str]


def _bytes(data: object) -> int:
    """What a packet's data takes on its way, in bytes."""
    if isinstance(data, str):
        return len(data) if data.isascii() else len(data.encode())
    return len(data) if isinstance(data, bytes) else 0


class Item:
    """One packet that waits."""

    __slots__ = ("key", "packet", "size")

    def __init__(self, packet: Packet | None, size: int, key: Key | None = None) -> None:
        self.packet = packet
        self.size = ITEM_BYTES + size
        self.key = key


class Outbox:
    """The packets that wait for one client, in order.

    `overflow` is called, once, with the reason when more than `limit_bytes` wait or nothing of
    what waits has moved for `stall_s` seconds; from then on nothing more is taken in.
    """

    def __init__(self, limit_bytes: int, stall_s: float, monotonic: Callable[[], float]) -> None:
        self._limit = limit_bytes
        self._stall = stall_s
        self._monotonic = monotonic
        self._items: deque[Item] = deque()
        self._latest: dict[Key, Item] = {}
        self._lossy: dict[Key, deque[Item]] = {}
        self._gaps = 0  # items that were emptied and keep their place
        self.batch_packets = MAX_BATCH_PACKETS
        self._left = MAX_BATCH_PACKETS  # how many packets more the batch may hold
        self._batch = 0  # bytes handed out since the taker last came back for more
        self._moved_at = monotonic()
        self._transport: asyncio.Transport | None = None  # of the taker; polling has none
        self._unsent = 0  # bytes of what was taken that the transport held at the last check
        self._waiting: set[asyncio.Future[None]] = set()
        self.queued_bytes = 0
        self.dropped = 0
        self._pushed = 0
        self._missing: dict[Key, int] = {}  # lossy events dropped since the last one that left
        self.on_drop: Callable[[Delivery], None] = lambda _: None
        self._overflowed = False
        self.overflow: Callable[[EvictionReason], None] = lambda _: None

    # ---- what the gateway puts in

    def push(self, text: str) -> None:
        """Queue a reply."""
        self._pushed += 1
        self._add(Item(Packet(MESSAGE, text), _bytes(text)))

    def push_frame(self, frame: Frame) -> None:
        """Queue an event: a newer `latest` replaces the one that waits, the oldest `lossy` go."""
        self._pushed += 1
        item = Item(Packet(MESSAGE, frame.socketio), frame.size, frame.key)
        if frame.delivery is Delivery.LATEST:
            waiting = self._latest.get(frame.key)
            if waiting is not None:
                self._drop(waiting, frame)
            self._latest[frame.key] = item
        elif frame.delivery is Delivery.LOSSY:
            line = self._lossy.setdefault(frame.key, deque())
            line.append(item)
            if len(line) > MAX_LOSSY:
                self._drop(line.popleft(), frame)
                self._missing[frame.key] = self._missing.get(frame.key, 0) + 1
        self._add(item)

    @property
    def waiting(self) -> int:
        """How many packets wait."""
        return len(self._items) - self._gaps

    @property
    def sent(self) -> int:
        """How many replies and events have been taken from here.

        Counted by what was put in, as that is one step less for each of thousands who are told
        the same; a packet of Engine.IO's own that waits counts as one of them that does.
        """
        return max(0, self._pushed - self.dropped - self.waiting)

    @property
    def spare_bytes(self) -> int:
        """How much may be put in at once, so that an eighth is left for what comes after it."""
        return self._limit - self._limit // 8 - self.queued_bytes

    def clear(self) -> None:
        """Drop all replies and events that wait, and take in again.

        What Engine.IO itself has queued stays.
        """
        self._overflowed = False
        before, self._items, self._gaps = self._items, deque(), 0
        for item in before:
            if item.packet is not None and item.packet.packet_type == MESSAGE:
                self.queued_bytes -= item.size
                self._pushed -= 1
            elif item.size >= 0:
                self._items.append(item)
        self._latest.clear()
        self._lossy.clear()
        self._missing.clear()

    def check(self) -> None:
        """Report a stall: something waits, and nothing of it has moved for too long.

        A client that reads slowly moves what its transport holds.
        """
        unsent = 0 if self._transport is None else self._transport.get_write_buffer_size()
        waits = bool(self._items or unsent)
        if unsent < self._unsent or not waits:
            self._moved_at = self._monotonic()
        self._unsent = unsent
        if self._monotonic() - self._moved_at > self._stall:
            self._overflow(EvictionReason.NO_PROGRESS)

    def abort(self) -> None:
        """End the transport, whatever it still holds."""
        if self._transport is not None:
            self._transport.abort()

    def _drop(self, item: Item, newer: Frame) -> None:
        self._empty(item)
        self.dropped += 1
        self.on_drop(newer.delivery)

    def _empty(self, item: Item) -> None:
        """Take the packet out of an item; its place in the line stays and is skipped."""
        self.queued_bytes -= item.size
        item.packet, item.size, item.key = None, -1, None
        self._gaps += 1
        if self._gaps > MAX_GAPS and self._gaps > len(self._items) // 2:
            self._items = deque(item for item in self._items if item.size >= 0)
            self._gaps = 0

    def _add(self, item: Item) -> None:
        if self._overflowed and item.packet is not None:
            return
        if not self._items and not self._unsent:
            self._moved_at = self._monotonic()
        self._items.append(item)
        self.queued_bytes += item.size
        self._notify()
        if self.queued_bytes > self._limit:
            self._overflow(EvictionReason.TOO_MANY_BYTES)

    def _overflow(self, reason: EvictionReason) -> None:
        if not self._overflowed:
            self._overflowed = True
            self.overflow(reason)

    def _notify(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    # ---- what an Engine.IO socket calls on its queue

    async def put(self, packet: Packet | None) -> None:
        """Queue a packet of Engine.IO's own; None ends the taker."""
        self.put_nowait(packet)

    def put_nowait(self, packet: Packet | None) -> None:
        """Queue a packet of Engine.IO's own; None ends the taker."""
        self._add(Item(packet, 0 if packet is None else _bytes(packet.data)))

    async def get(self) -> Packet | None:
        """Wait for the next packet. Coming back here says that the last batch has left."""
        self.queued_bytes -= self._batch
        self._batch, self._left = 0, self.batch_packets
        self._moved_at = self._monotonic()
        self._transport = TRANSPORT.get()
        while True:
            while self._items:
                if (item := self._next()) is not None:
                    return self._hand_out(item)
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(waiting)
            try:
                await waiting
            finally:
                self._waiting.discard(waiting)

    def get_nowait(self) -> Packet | None:
        """The next packet of this batch. Raises QueueEmpty once the batch is full."""
        while self._items and self._batch < BATCH_BYTES and self._left > 0:
            if (item := self._next()) is not None:
                return self._hand_out(item)
        raise asyncio.QueueEmpty

    def _next(self) -> Item | None:
        item = self._items.popleft()
        if item.size >= 0:
            return item
        self._gaps -= 1
        return None

    def _hand_out(self, item: Item) -> Packet | None:
        self._batch += item.size
        self._left -= 1
        if item.key is not None:
            if self._latest.get(item.key) is item:
                del self._latest[item.key]
            elif (line := self._lossy.get(item.key)) is not None and line[0] is item:
                line.popleft()
                if not line:
                    del self._lossy[item.key]
                return self._with_missing(item)
        return item.packet

    def _with_missing(self, item: Item) -> Packet | None:
        """A lossy event, which says how many went before it."""
        assert item.key is not None
        missing = self._missing.pop(item.key, 0)
        if not missing or item.packet is None:
            return item.packet
        return Packet(MESSAGE, after_dropped(item.packet.data, missing))

    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self._items

    def qsize(self) -> int:
        """How many packets wait."""
        return len(self._items)

    def task_done(self) -> None:
        """Part of a queue's interface; what has left is counted in `get`."""

    async def join(self) -> None:
        """Part of a queue's interface. Never waits: a client that does not read must not hold
        up whoever closes it."""
