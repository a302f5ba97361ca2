"""What PROTOCOL.md shows beside its conversation is of the types that the server speaks."""

import json
import re
from enum import StrEnum
from typing import Any, Final

import msgspec
import pytest

from protocol import codec
from protocol.auth import LoggedIn
from protocol.domains import load
from protocol.errors import Error
from protocol.gateway import Joined, JoinRoom
from protocol.message import Kind, find
from tests.support.conversation import objects
from tests.support.markdown import PROTOCOL, blocks

SHOWN: Final = [
    one for block in blocks(PROTOCOL.read_text(), "json") for one in objects(block.text)
]
PACKETS: Final = [
    line[2:]
    for block in blocks(PROTOCOL.read_text(), "")
    for line in block.text.splitlines()
    if re.match(r"[→←] 4\d", line)
]


def exactly(value: Any, form: Any) -> Any:
    """A value as a type of ours, which must say all of it: what is shown has no field more."""
    found = msgspec.convert(value, form)
    said = msgspec.to_builtins(found)
    assert value.keys() <= said.keys(), value.keys() - said.keys()
    return found


def reasons() -> set[str]:
    """Every reason that there is, of any domain."""
    enums = [one for module in load() for one in vars(module).values()]
    return {
        member.value
        for one in enums
        if isinstance(one, type) and issubclass(one, StrEnum) and one.__name__.endswith("Reason")
        for member in one
    }


@pytest.mark.parametrize("shown", SHOWN, ids=lambda s: json.dumps(s)[:60])
def test_what_is_shown_is_of_a_type(shown: dict[str, Any]) -> None:
    match shown:
        case {"error": error}:
            assert shown.keys() in ({"ok", "error"}, {"success", "error"})
            of = exactly(error, Error)
            assert of.reason in {None, *reasons()}
            assert of.retry_after_ms is None or of.code.retry
        case {"success": True, "data": data}:
            exactly(data, LoggedIn)
        case {"ok": True, "data": {"verdict": _} as data}:
            exactly(data, Joined)
        case {"ok": True, "data": data}:
            attack = find("battles.attack")
            assert attack is not None
            exactly(data, attack.reply)
        case {"message": message, "data": data}:
            assert exactly(data, Error).message == message
        case {"room": _}:
            exactly(shown, JoinRoom)
        case _:
            assert shown.keys() <= {"token", "service_key"}


def test_what_is_on_the_wire_is_of_its_type() -> None:
    load()
    assert PACKETS
    asked: dict[str, Any] = {}
    for packet in PACKETS:
        kind, number = packet[:2], packet[2 : packet.index("[")]
        name, *rest = json.loads(packet[packet.index("[") :])
        if kind == "43":
            assert name["ok"] is True
            exactly(name["data"], asked[number].reply)
            continue
        spec = find(name)
        assert spec is not None
        exactly(rest[0], spec.type)
        if spec.kind is Kind.EVENT:
            exactly(rest[1], codec.Meta)
        asked[number] = spec
