"""The packets of Socket.IO 5: text to its parts, and parts to text.

Source: https://socket.io/docs/v4/socket-io-protocol/
"""

import re
from enum import StrEnum
from typing import Final, NamedTuple


class PacketType(StrEnum):
    """What a packet is."""

    CONNECT = "0"
    DISCONNECT = "1"
    EVENT = "2"
    ACK = "3"
    CONNECT_ERROR = "4"
    BINARY_EVENT = "5"
    BINARY_ACK = "6"


class NotAPacket(Exception):
    """A text is no packet."""


class AckTooLong(Exception):
    """A packet whose ack number has more than MAX_ACK digits: it is ignored."""


class Packet(NamedTuple):
    """A packet. `payload` is JSON that nobody has looked at, `ack` the number for its answer, ""
    where none is wanted, `attachments` how many messages of bytes come after it."""

    kind: PacketType
    space: str
    ack: str
    payload: str
    attachments: int = 0


MAIN: Final = "/"
MAX_SPACE: Final = 100
_HEAD: Final = re.compile(
    r"(?:([0-4])|([56])(\d{1,9})-)(?:(/[^,?]*)(?:\?[^,]*)?(?:,|\Z))?", re.ASCII
)
_ACK: Final = re.compile(r"\d*", re.ASCII)
_KINDS: Final = {str(kind): kind for kind in PacketType}
MAX_ACK: Final = 100
_NUMBERED: Final = (
    PacketType.EVENT,
    PacketType.ACK,
    PacketType.BINARY_EVENT,
    PacketType.BINARY_ACK,
)


def event(text: str) -> tuple[str, str] | None:
    """The ack and the arguments of an event in the main namespace; None for anything else.

    What `parse` would find, for most packets by far, without an expression and its objects.
    """
    start = text.find("[")
    if start < 1 or text[0] != "2":
        return None
    ack = text[1:start]
    if ack and not (ack.isascii() and ack.isdigit() and start <= MAX_ACK):
        return None
    return ack, text[start:]


def parse(text: str) -> Packet:
    """The parts of a packet. Raises NotAPacket, AckTooLong."""
    found = _HEAD.match(text)
    if found is None:
        raise NotAPacket
    plain, binary, attachments, space = found.groups()
    kind = _KINDS[plain or binary]
    ack, end = "", found.end()
    if kind in _NUMBERED:
        number = _ACK.match(text, end)
        assert number is not None
        ack, end = number[0], number.end()
        if len(ack) > MAX_ACK:
            raise AckTooLong
    return Packet(kind, space or MAIN, ack, text[end:], int(attachments or 0))


def build(
    kind: PacketType, space: str, payload: bytes = b"", ack: str = "", attachments: int = 0
) -> bytes:
    """The text of a packet, in UTF-8, as a message of Engine.IO: with its `4`."""
    head = f"4{kind}"
    if kind in (PacketType.BINARY_EVENT, PacketType.BINARY_ACK):
        head += f"{attachments}-"
    if space != MAIN:
        head += f"{space},"
    return f"{head}{ack}".encode() + payload
