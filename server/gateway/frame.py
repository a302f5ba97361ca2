"""An event as it goes out: encoded once, whoever and however many get it."""

from typing import Final

from protocol import codec
from protocol.message import Delivery, spec_of
from protocol.message import Event as Message
from server.gateway import rfc6455


class Frame:
    """One event with its metadata. `key` names what a newer one replaces.

    `socketio` is a packet of Engine.IO as a frame of a WebSocket; `packet` is the same as text
    goes out by polling; `plain` is the frame of a plain WebSocket. `bare` leaves the metadata out.
    """

    __slots__ = ("_data", "_head", "_meta", "_packet", "_plain", "delivery", "key", "seq",
                 "socketio")  # fmt: skip

    def __init__(
        self,
        name: str,
        data: bytes,
        meta: codec.Meta,
        delivery: Delivery,
        *,
        bare: bool = False,
    ) -> None:
        self.delivery = delivery
        self.seq = meta.seq
        self.key: Final = (name, meta.room)
        self._data = data
        self._meta = codec.encode(meta)
        packet = (
            b'42["%b",%b]' % (name.encode(), data)
            if bare
            else b'42["%b",%b,%b]' % (name.encode(), data, self._meta)
        )
        self.socketio = rfc6455.encode(packet)
        self._head = len(self.socketio) - len(packet)
        self._packet: bytes | None = None
        self._plain: bytes | None = None

    @property
    def packet(self) -> bytes:
        """The text of polling: it is made where one polls."""
        if self._packet is None:
            self._packet = self.socketio[self._head :]
        return self._packet

    @property
    def plain(self) -> bytes:
        """The frame of a plain WebSocket: few speak it, so it is made where one does."""
        if self._plain is None:
            text = b'{"type":"%b","data":%b,%b' % (self.key[0].encode(), self._data, self._meta[1:])
            self._plain = rfc6455.encode(text)
        return self._plain

    def after_dropped(self, dropped: int) -> "Frame":
        """The same for one client, with how many before it were dropped for it."""
        name, _ = self.key
        meta = codec.decode(codec.Meta, self._meta)
        told = codec.Meta(meta.room, meta.at, meta.seq, meta.epoch, dropped)
        return Frame(name, self._data, told, self.delivery)


def announcement(event: Message, at: str) -> Frame:
    """An event told to a connection, not in a room."""
    spec = spec_of(type(event))
    assert spec.delivery is not None
    return Frame(spec.name, codec.encode(event), codec.Meta(room="", at=at), spec.delivery)
