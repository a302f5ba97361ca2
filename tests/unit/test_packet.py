"""The packets of Socket.IO: what the short way reads is what the whole one would."""

import pytest

from server.transport.packet import MAIN, PacketType, event, parse

EVENTS = [
    ("2[]", "", "[]"),
    ('2["ask",{}]', "", '["ask",{}]'),
    ('27["ask",[1]]', "7", '["ask",[1]]'),
    (f"2{'9' * 99}[]", "9" * 99, "[]"),
]
ANYTHING_ELSE = [
    "",
    "[",
    "2",
    "27",
    "27{}",
    "0[]",
    "3[]",
    '51-["a"]',
    '2/custom,["a"]',
    '2/custom,7["a"]',
    "2-1[]",
    "2 7[]",
    "2²[]",
    "2٣[]",
    f"2{'9' * 101}[]",
]


@pytest.mark.parametrize(("text", "ack", "arguments"), EVENTS)
def test_an_event_is_read_as_by_the_whole_parser(text: str, ack: str, arguments: str) -> None:
    assert event(text) == (ack, arguments)
    packet = parse(text)
    assert (packet.kind, packet.space) == (PacketType.EVENT, MAIN)
    assert (packet.ack, packet.payload) == (ack, arguments)


@pytest.mark.parametrize("text", ANYTHING_ELSE)
def test_anything_else_is_left_to_the_parser(text: str) -> None:
    assert event(text) is None
