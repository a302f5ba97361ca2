"""What a client has yet to get: one queue for replies and events, bounded in bytes and in time.

It holds bytes that are ready to leave, each shared by all who get it. A transport takes from it
what it can take at once; so what lies in the transport's hands stays small, and everything else is
counted here.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, Self

import msgspec

from protocol import codec
from protocol.gateway import EvictionReason
from protocol.message import KEPT, Delivery
from server.transport import rfc6455

ITEM_BYTES: Final = 64
"""What a packet without data takes, about: many that are empty are a lot too."""
MAX_LOSSY: Final = 64
MAX_GAPS: Final = 64


class Frame(msgspec.Struct, eq=False, gc=False):
    """One event with its metadata.

    `socketio` is a packet of Engine.IO as a frame of a WebSocket, `packet` the same as text goes
    out by polling, `plain` the frame of a plain WebSocket.
    """

    name: str
    room: str
    delivery: Delivery
    seq: int | None
    socketio: bytes
    _data: bytes
    _meta: bytes
    _size: int  # of the packet
    _packet: bytes | None = None
    _plain: bytes | None = None

    @classmethod
    def of(cls, name: str, data: bytes, meta: codec.Meta, delivery: Delivery) -> Self:
        """An event's frame, from its data as JSON."""
        written = codec.encode(meta)
        packet = b'42["%b",%b,%b]' % (name.encode(), data, written)
        socketio = rfc6455.encode(packet)
        return cls(name, meta.room, delivery, meta.seq, socketio, data, written, len(packet))

    @property
    def key(self) -> tuple[str, str]:
        """What names it: a newer one with the same may replace it."""
        return self.name, self.room

    @property
    def packet(self) -> bytes:
        """The text of polling: it is made where one polls."""
        if self._packet is None:
            self._packet = self.socketio[-self._size :]
        return self._packet

    @property
    def plain(self) -> bytes:
        """The frame of a plain WebSocket: few speak it, so it is made where one does."""
        if self._plain is None:
            text = b'{"type":"%b","data":%b,%b' % (self.name.encode(), self._data, self._meta[1:])
            self._plain = rfc6455.encode(text)
        return self._plain

    def after_dropped(self, dropped: int) -> "Frame":
        """The same for one client, with how many before it were dropped for it."""
        meta = codec.decode(codec.Meta, self._meta)
        told = msgspec.structs.replace(meta, dropped=dropped)
        return Frame.of(self.name, self._data, told, self.delivery)


Key = tuple[str, str]
Form = Callable[[Frame], bytes]
"""How an event is written for a transport."""


class OutboxLimits(NamedTuple):
    """What all outboxes of a server have in common.

    `limit_bytes` may wait for one client, of which nothing may stand still for `stall_s` seconds.
    `dropped` is called for each event that is dropped.
    """

    limit_bytes: int
    stall_s: float
    monotonic: Callable[[], float]
    dropped: Callable[[Delivery], None] = lambda _: None


class Taker(Protocol):
    """The transport that takes from an outbox."""

    @property
    def unsent(self) -> int:
        """How many bytes it has taken and not sent yet."""
        ...

    def wake(self) -> None:
        """Called when something waits where nothing did."""
        ...


class Waiting:
    """An event that may be dropped while it waits. `frame` is None once it was."""

    __slots__ = ("frame", "size")

    def __init__(self, frame: Frame, size: int) -> None:
        self.frame: Frame | None = frame
        self.size = size


class _Droppable:
    """The events of one outbox that may be dropped, by their name and room."""

    __slots__ = ("gaps", "latest", "lossy", "missing")

    def __init__(self) -> None:
        self.latest: dict[Key, Waiting] = {}
        self.lossy: dict[Key, deque[Waiting]] = {}
        self.missing: dict[Key, int] = {}  # lossy events dropped since the last one that left
        self.gaps = 0  # those that were dropped and keep their place in the line


class Outbox:
    """What waits for one client, in order.

    `overflow` is called, once, with the reason when more than the limit waits or nothing of what
    waits has moved for too long; from then on nothing more is taken in.
    """

    __slots__ = (
        "_bounds",
        "_droppable",
        "_form",
        "_is_shut",
        "_items",
        "_limit",
        "_moved",
        "_moved_at",
        "_unsent",
        "dropped",
        "in_hand",
        "overflow",
        "queued_bytes",
        "sent",
        "taker",
    )

    def __init__(self, bounds: OutboxLimits, form: Form) -> None:
        self._bounds = bounds
        self._limit = bounds.limit_bytes
        self._form = form
        self._items: list[bytes | Waiting] = []
        self._droppable: _Droppable | None = None  # most events are kept
        self._moved = False
        self._moved_at = bounds.monotonic()
        self._unsent = 0  # what the transport had not sent at the last check
        self._is_shut = False
        self.taker: Taker | None = None
        self.queued_bytes = 0
        self.in_hand = 0  # bytes of them that were taken and are not known to have left
        self.sent = 0
        self.dropped = 0
        self.overflow: Callable[[EvictionReason], None] = lambda _: None

    # ---- what is put in

    def push(self, data: bytes) -> None:
        """Queue something that is kept: a reply, or a packet of the transport's own."""
        if self._is_shut:
            return
        items = self._items
        items.append(data)
        self.queued_bytes = waiting = self.queued_bytes + len(data) + ITEM_BYTES
        if len(items) == 1:
            self._moved = True  # how long it waits counts from now
            if self.taker is not None:
                self.taker.wake()
        if waiting > self._limit:
            self._overflow(EvictionReason.TOO_MANY_BYTES)

    def push_frame(self, frame: Frame) -> None:
        """Queue an event: a newer `latest` replaces the one that waits, the oldest `lossy` go."""
        if self._is_shut:
            return
        if frame.delivery is not KEPT:
            self._push_droppable(frame)
            return
        # As in `push`, and not by calling it: this runs for each of thousands who are told.
        data = self._form(frame)
        items = self._items
        items.append(data)
        self.queued_bytes = waiting = self.queued_bytes + len(data) + ITEM_BYTES
        if len(items) == 1:
            self._moved = True
            if self.taker is not None:
                self.taker.wake()
        if waiting > self._limit:
            self._overflow(EvictionReason.TOO_MANY_BYTES)

    def _push_droppable(self, frame: Frame) -> None:
        data = self._form(frame)
        waiting = Waiting(frame, len(data) + ITEM_BYTES)
        held = self._droppable
        if held is None:
            held = self._droppable = _Droppable()
        if frame.delivery is Delivery.LATEST:
            before = held.latest.get(frame.key)
            if before is not None:
                self._drop(held, before, frame.delivery)
            held.latest[frame.key] = waiting
        else:
            line = held.lossy.setdefault(frame.key, deque())
            line.append(waiting)
            if len(line) > MAX_LOSSY:
                self._drop(held, line.popleft(), frame.delivery)
                held.missing[frame.key] = held.missing.get(frame.key, 0) + 1
        self._items.append(waiting)
        self.queued_bytes += waiting.size
        if len(self._items) == 1:
            self._moved = True
            if self.taker is not None:
                self.taker.wake()
        if self.queued_bytes > self._limit:
            self._overflow(EvictionReason.TOO_MANY_BYTES)

    def _drop(self, held: _Droppable, waiting: Waiting, delivery: Delivery) -> None:
        """Take an event out; its place in the line stays and is skipped."""
        self.queued_bytes -= waiting.size
        waiting.frame = None
        self.dropped += 1
        self._bounds.dropped(delivery)
        held.gaps += 1
        if held.gaps > MAX_GAPS and held.gaps > len(self._items) // 2:
            self._items = [item for item in self._items if _is_there(item)]
            held.gaps = 0

    def clear(self) -> None:
        """Drop all that waits, and take in again."""
        self._is_shut = False
        self._items.clear()
        self._droppable = None
        self.queued_bytes = self.in_hand

    def shut(self) -> None:
        """Take nothing more in. What waits stays."""
        self._is_shut = True

    def _overflow(self, reason: EvictionReason) -> None:
        if not self._is_shut:
            self._is_shut = True
            self.overflow(reason)

    # ---- what is known of it

    def __len__(self) -> int:
        return len(self._items) - (0 if self._droppable is None else self._droppable.gaps)

    @property
    def spare_bytes(self) -> int:
        """How much may be put in at once, so that an eighth is left for what comes after it."""
        return self._limit - self._limit // 8 - self.queued_bytes

    def check(self) -> None:
        """Report a stall: something waits, and nothing of it has moved for too long.

        A client that reads slowly moves what its transport holds. One that polls takes its time
        to come again: its heartbeat says whether it is there.
        """
        unsent = 0 if self.taker is None else self.taker.unsent
        waits = bool(self._items or unsent)
        now = self._bounds.monotonic()
        if self._moved or unsent < self._unsent or not waits:
            self._moved_at = now
        self._moved = False
        self._unsent = unsent
        if now - self._moved_at > self._bounds.stall_s:
            self._overflow(EvictionReason.NO_PROGRESS)

    # ---- what is taken out

    def take(self, most_bytes: int) -> bytes:
        """All that waits, in one piece, as long as it is not too much at once."""
        if self._droppable is not None or self.queued_bytes > most_bytes:
            return b"".join(self.take_parts(most_bytes))
        self._moved = True
        items = self._items
        size = len(items)
        data = items[0] if size == 1 else b"".join(items)  # type: ignore[arg-type]
        self.sent += size
        items.clear()
        self.queued_bytes = self.in_hand
        return data  # type: ignore[return-value]

    def take_parts(self, most_bytes: int, most: int | None = None) -> list[bytes]:
        """What waits, part by part: so many bytes, or at least one; at most so many parts."""
        self._moved = True
        parts: list[bytes] = []
        taken = bytes_taken = 0
        for item in self._items:
            if bytes_taken >= most_bytes or len(parts) == most:
                break
            taken += 1
            if isinstance(item, bytes):
                bytes_taken += len(item) + ITEM_BYTES
                parts.append(item)
            elif item.frame is None:
                self._held.gaps -= 1
            else:
                bytes_taken += item.size
                parts.append(self._form(self._leaving(item, item.frame)))
        del self._items[:taken]
        self.queued_bytes -= bytes_taken
        self.sent += len(parts)
        if not self._items and self._droppable is not None and not self._droppable.missing:
            self._droppable = None
        return parts

    @property
    def _held(self) -> _Droppable:
        assert self._droppable is not None
        return self._droppable

    def _leaving(self, waiting: Waiting, frame: Frame) -> Frame:
        """An event that leaves now; a lossy one says how many went before it."""
        held = self._held
        if frame.delivery is Delivery.LATEST:
            if held.latest.get(frame.key) is waiting:
                del held.latest[frame.key]
            return frame
        line = held.lossy[frame.key]
        line.popleft()
        if not line:
            del held.lossy[frame.key]
        missing = held.missing.pop(frame.key, 0)
        return frame.after_dropped(missing) if missing else frame

    def rewrite(self, form: Form, packet: Callable[[bytes], bytes]) -> None:
        """Write all that waits anew, for another transport: `packet` does it for a packet."""
        self._form = form
        for place, item in enumerate(self._items):
            if isinstance(item, bytes):
                self._items[place] = anew = packet(item)
                self.queued_bytes += len(anew) - len(item)

    def hand_out(self, size: int) -> None:
        """So many bytes of what was taken are under way, and count until they have left."""
        self.in_hand += size
        self.queued_bytes += size

    def has_left(self) -> None:
        """All that was under way has left."""
        self._moved = True
        self.queued_bytes -= self.in_hand
        self.in_hand = 0


def _is_there(item: bytes | Waiting) -> bool:
    return isinstance(item, bytes) or item.frame is not None
