"""An event as it goes out: encoded once, whoever and however many get it."""

from typing import Final

from protocol import codec
from protocol.message import Delivery, spec_of
from protocol.message import Event as Message


class Frame:
    """One event with its metadata. `key` names what a newer one replaces."""

    __slots__ = ("delivery", "key", "seq", "size", "socketio")

    def __init__(self, name: str, data: bytes, meta: codec.Meta, delivery: Delivery) -> None:
        self.delivery = delivery
        self.seq = meta.seq
        self.key: Final = (name, meta.room)
        self.socketio = f'2["{name}",{data.decode()},{codec.encode(meta).decode()}]'
        self.size = len(self.socketio.encode())


def after_dropped(socketio: str, dropped: int) -> str:
    """An event as it goes out to one client, with how many before it were dropped for it.

    The metadata is what it ends with.
    """
    return f'{socketio[:-2]},"dropped":{dropped}}}]'


def announcement(event: Message, at: str) -> Frame:
    """An event told to a connection, not in a room."""
    spec = spec_of(type(event))
    assert spec.delivery is not None
    return Frame(spec.name, codec.encode(event), codec.Meta(room="", at=at), spec.delivery)
