"""The messages of a plain WebSocket as JSON: read, with the ids of their answers, and answered."""

from typing import Final

import msgspec

from protocol import codec
from protocol.errors import Failure, invalid
from protocol.ids import MAX_SAFE
from server.transport import rfc6455

NO_ID: Final = "null"
"""What names an answer to something whose id can't be read."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends. Without an id it is not answered."""

    type: str
    id: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Numbered(msgspec.Struct, frozen=True):
    """The id of a message in which something else is wrong."""

    id: int | None = None


class LoggedIn(msgspec.Struct, frozen=True):
    """The answer to a first message that logs in."""

    connection_id: str


def answer_frame(ack: str, reply: bytes) -> bytes:
    """The frame of an answer: the id, then the reply's own fields."""
    return rfc6455.encode(b'{"id":%b,%b' % (ack.encode(), reply[1:]))


def ack_of(ident: int | None) -> str:
    """How an id is written. Raises Failure `invalid`."""
    if ident is None:
        return ""
    if not 0 <= ident <= MAX_SAFE:
        raise invalid("id", f"must be 0 to {MAX_SAFE}")
    return str(ident)


def ack_in(text: str) -> str:
    """The id of a message that can't be read, where that can be."""
    try:
        return ack_of(codec.decode(_Numbered, text).id) or NO_ID
    except Failure:
        return NO_ID
