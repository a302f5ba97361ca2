"""An event as it goes out: encoded once, whoever and however many get it."""

from typing import Self

import msgspec

from protocol import codec
from protocol.message import Delivery, spec_of
from protocol.message import Event as Message
from server.gateway import rfc6455


class Frame(msgspec.Struct, eq=False, gc=False):
    """One event with its metadata.

    `socketio` is a packet of Engine.IO as a frame of a WebSocket, `packet` the same as text goes
    out by polling, `plain` the frame of a plain WebSocket. `bare` leaves the metadata out.
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
    def of(
        cls, name: str, data: bytes, meta: codec.Meta, delivery: Delivery, *, bare: bool = False
    ) -> Self:
        """An event's frame, from its data as JSON."""
        written = codec.encode(meta)
        packet = (
            b'42["%b",%b]' % (name.encode(), data)
            if bare
            else b'42["%b",%b,%b]' % (name.encode(), data, written)
        )
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
        told = codec.Meta(meta.room, meta.at, meta.seq, meta.epoch, dropped)
        return Frame.of(self.name, self._data, told, self.delivery)


def announcement(event: Message, at: str) -> Frame:
    """An event told to a connection, not in a room."""
    spec = spec_of(type(event))
    assert spec.delivery is not None
    return Frame.of(spec.name, codec.encode(event), codec.Meta(room="", at=at), spec.delivery)
