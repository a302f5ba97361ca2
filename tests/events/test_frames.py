"""Frames as no client library sends them: answered where there is a number to answer to, and
nothing more. The connection stays, and there is nothing about them in the log."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from websockets.frames import Frame, Opcode

from tests.support.people import registered
from tests.support.raw import Raw
from tests.support.server import Server

pytestmark = pytest.mark.asyncio(loop_scope="module")

PASSED_OVER = [
    *("6", "6x", "3", "43", "4399[1]", '430[{"ok":true}]', "430", "43x", "461-[]"),
    *("451-", "451-[]", "41/other,", "41/other", "42", "42[", "42x", '42x["players.get"]'),
    *('42 7["players.get"]', '42-7["players.get"]', '42²["players.get"]'),
    *('42/other,7["players.get",{}]', '42["players.get",' + "[" * 5000),
]
"""Nothing of these can be answered: there is no number, or nobody is asked."""

NO_PACKETS = [
    *("x", "7", "9", "8x", "b", "bAAA", "baaaa", "²", "٤2[]", " 42[]", "\x00", "-1", "[]", "{}"),
    *("0", "", "5", "5x", "2", "2probe", "0{}", "4", "4{}", "4null", "4true", "4[1]", "4-1"),
    *('4"x"', "4x", "4²", "4[", '4{"a":', "44", "44{}", "46", "47", "49", "45", "45x", "451"),
    *("459999999999-[]", "4" + "[" * 5000, '4{"a":' * 3000, "42" + "1" * 200 + "[]"),
]
"""No packets, or none that a client sends."""

ANSWERED = {
    "427": "invalid",
    "427[": "invalid",
    "427[]": "invalid",
    "427[7]": "invalid",
    "427[null]": "invalid",
    '427[["players.get"]]': "invalid",
    '427{"name":"players.get"}': "invalid",
    '427"players.get"': "invalid",
    '427["players.get"]x': "invalid",
    '427["players.get",{},{}]': "invalid",
    '427["players.get",null]': "invalid",
    '427["players.get",NaN]': "invalid",
    '427["players\\ud800.get"]': "invalid",
    '427["players.get",{"\\ud800":1}]': "invalid",
    '427["players.get\\u0000"]': "not_found",
    '427["' + "x" * 100_000 + '"]': "not_found",
    '427["players.get",' + "[" * 5000 + "]" * 5000 + "]": "invalid",
    '427["players.get",{"' + "x" * 600_000 + '":1}]': "invalid",
    '427["battles.list",{"status":"' + "x" * 600_000 + '"}]': "invalid",
    '4277["players.get"]': "ok",
    "42" + "7" * 100 + '["players.get"]': "ok",
    '42007["players.get"]': "ok",
    '451-7["battles.get",{"battle_id":{"_placeholder":true,"num":0}}]': "invalid",
    '45999999999-7["battles.get"]': "invalid",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(server: Server) -> str:
    """The access token of somebody."""
    return (await registered(server.url)).tokens.access_token


def strange_lines(server: Server, since: int) -> list[dict[str, Any]]:
    """What is in the log, but for who came and went."""
    known = ("connected", "disconnected")
    return [line for line in server.logged(since) if line["event"] not in known]


@pytest_asyncio.fixture(loop_scope="module")
async def unlogged(server: Server) -> AsyncIterator[None]:
    """Nothing is in the log of what a test does."""
    size = server.log_size()
    yield
    assert strange_lines(server, size) == []


@pytest_asyncio.fixture(loop_scope="module")
async def raw(server: Server, token: str, unlogged: None) -> AsyncIterator[Raw]:
    """Somebody's connection."""
    connection = await Raw(server.url).log_in(token=token)
    yield connection
    await connection.close()


@pytest_asyncio.fixture(loop_scope="module")
async def nobody(server: Server, unlogged: None) -> AsyncIterator[Raw]:
    """A connection that has not logged in."""
    connection = await Raw(server.url).open()
    yield connection
    await connection.close()


def shown(frame: str) -> str:
    """A frame as the name of a case."""
    return repr(frame[:40])


@pytest.mark.parametrize("frame", PASSED_OVER, ids=shown)
async def test_what_can_not_be_answered_is_passed_over(raw: Raw, frame: str) -> None:
    before = len(raw.frames)
    await raw.send(frame)
    await raw.call("rooms.leave", {"room": "nothing"})
    assert len(raw.frames) == before + 1


@pytest.mark.parametrize("frame", PASSED_OVER, ids=shown)
async def test_nobody_is_let_in_by_it_either(nobody: Raw, token: str, frame: str) -> None:
    before = len(nobody.frames)
    await nobody.send(frame)
    answer = await nobody.call("players.get")
    assert answer == {
        "ok": False,
        "error": {"code": "unauthenticated", "message": "log in first"},
    }
    assert len(nobody.frames) == before + 1
    assert (await nobody.handshake(json.dumps({"token": token}))).startswith("40{")


@pytest.mark.parametrize("frame", NO_PACKETS, ids=shown)
async def test_what_is_no_packet_ends_its_connection_alone(
    server: Server, token: str, unlogged: None, frame: str
) -> None:
    raw = await Raw(server.url).log_in(token=token)
    before = len(raw.frames)
    await raw.send(frame, '427["players.get"]')
    await raw.until_closed()
    assert raw.frames[before:] == []
    await raw.close()


@pytest.mark.parametrize(("frame", "code"), ANSWERED.items(), ids=map(shown, ANSWERED))
async def test_what_has_a_number_is_answered_once(raw: Raw, frame: str, code: str) -> None:
    found = re.match(r"(?:42|45\d+-)(\d+)", frame)
    assert found is not None
    await raw.send(frame)
    answer = await raw.answer(found[1])
    assert ("ok" if answer["ok"] else answer["error"]["code"]) == code
    assert len(json.dumps(answer)) < 2000, "an answer is not as large as what was sent"
    await raw.call("rooms.leave", {"room": "nothing"})
    assert all(len(answers) == 1 for answers in raw.acks.values())


async def test_nesting_that_is_too_deep_is_told_as_that(raw: Raw) -> None:
    answer = await raw.text('["players.get",' + "[" * 5000 + "]" * 5000 + "]")
    assert answer["error"] == {"code": "invalid", "message": "nested too deeply"}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        *((text, "invalid") for text in ("{", "{bad", '{"token":NaN}', "nul", "[", '"', "{}{}")),
        *((text, "invalid") for text in ('{"token":"\\ud800"}', "[" * 5000, '{"a":' * 5000)),
        *((text, "unauthenticated") for text in ("", "{}", "[]", "null", "7", '"x"', "0", "false")),
        ('{"token":{"$ne":null}}', "unauthenticated"),
        ('{"token":null,"service_key":null}', "unauthenticated"),
        ('{"token":"' + "x" * 500_000 + '"}', "unauthenticated"),
        ('{"service_key":"' + "x" * 500_000 + '"}', "unauthenticated"),
        ('{"service_key":"\\u0000"}', "unauthenticated"),
    ],
    ids=lambda value: repr(value[:30]),
)
async def test_a_handshake_is_answered_whatever_it_holds(
    nobody: Raw, token: str, payload: str, code: str
) -> None:
    answer = await nobody.handshake(payload)
    _, brace, rest = answer.partition("{")
    assert json.loads(brace + rest)["data"]["code"] == code
    nobody.frames.clear()
    assert (await nobody.handshake(json.dumps({"token": token}))).startswith("40{")


@pytest.mark.parametrize("space", ["/other", "/" + "x" * 700_000], ids=["short", "long"])
async def test_there_is_one_namespace(nobody: Raw, token: str, space: str) -> None:
    answer = await nobody.handshake(f"{space},{{}}")
    assert answer == f'44{space[:100]},{{"message":"Invalid namespace"}}'
    nobody.frames.clear()
    assert (await nobody.handshake(json.dumps({"token": token}))).startswith("40{")


async def test_nobody_logs_in_twice(server: Server, raw: Raw) -> None:
    other = (await registered(server.url)).tokens.access_token
    name = (await raw.call("players.get"))["data"]["player"]["name"]
    before = len(raw.frames)
    await raw.send(f"40{json.dumps({'token': other})}")
    answer = await raw.until(lambda: next((f for f in raw.frames[before:] if f[:2] == "44"), None))
    assert json.loads(answer[2:])["data"]["code"] == "invalid"
    assert (await raw.call("players.get"))["data"]["player"]["name"] == name


async def test_who_logs_out_on_the_wire_is_nobody_until_logging_in_again(
    raw: Raw, token: str
) -> None:
    await raw.send("41")
    assert (await raw.call("players.get"))["error"]["code"] == "unauthenticated"
    raw.frames.clear()
    assert (await raw.handshake(json.dumps({"token": token}))).startswith("40{")
    assert (await raw.call("players.get"))["ok"]


async def test_nothing_is_answered_once_the_session_is_closed(raw: Raw) -> None:
    before = len(raw.frames)
    await raw.send("1", '427["players.get"]', '40{"token":"x"}', '428["players.get"]', "5")
    await raw.until_closed()
    assert raw.frames[before:] == []


async def test_a_text_frame_that_is_no_text_ends_its_connection_alone(
    server: Server, token: str, unlogged: None
) -> None:
    raw = await Raw(server.url).log_in(token=token)
    assert raw._socket is not None
    raw._socket.transport.write(Frame(Opcode.TEXT, b"42\xff\xfe").serialize(mask=True))
    await raw.until_closed()
    await raw.close()


BROKEN_FRAMES = {
    "not masked": Frame(Opcode.TEXT, b"42").serialize(mask=False),
    "compressed": b"\xc1\x82\0\0\0\0" + b"42",
    "of a kind that there is not": b"\x83\x80\0\0\0\0",
    "a ping that is too long": b"\x89\xfe\x00\x80\0\0\0\0" + b"x" * 128,
    "a ping in two parts": b"\x09\x80\0\0\0\0",
    "the rest of nothing": Frame(Opcode.CONT, b"x").serialize(mask=True),
    "a text within a text": Frame(Opcode.TEXT, b"4", fin=False).serialize(mask=True) * 2,
    "of negative length": b"\x81\xff" + b"\xff" * 8 + b"\0\0\0\0",
    "of endless length": b"\x81\xff\x7f" + b"\xff" * 7 + b"\0\0\0\0",
    "longer than a message may be": Frame(Opcode.TEXT, b"4" * 1_048_577).serialize(mask=True),
    "too long in its parts": Frame(Opcode.TEXT, b"4", fin=False).serialize(mask=True)
    + Frame(Opcode.CONT, b"4" * 65_536, fin=False).serialize(mask=True) * 17,
    "a close without a reason": Frame(Opcode.CLOSE, b"\x03").serialize(mask=True),
    "a close with a code of nobody's": Frame(Opcode.CLOSE, b"\x00\x01").serialize(mask=True),
}


@pytest.mark.parametrize("frame", BROKEN_FRAMES.values(), ids=BROKEN_FRAMES)
async def test_a_frame_that_breaks_the_protocol_ends_its_connection_alone(
    server: Server, token: str, unlogged: None, frame: bytes
) -> None:
    one, other = [await Raw(server.url).log_in(token=token) for _ in range(2)]
    assert one._socket is not None
    one._socket.transport.write(frame)
    await one.until_closed()
    assert (await other.patiently("players.get"))["ok"]
    for connection in (one, other):
        await connection.close()


async def test_a_message_in_parts_is_one_message(raw: Raw) -> None:
    assert raw._socket is not None
    parts = (
        Frame(Opcode.TEXT, b'427["rooms.leave",{"room":"\xc3', fin=False),
        Frame(Opcode.PING, b"between"),
        Frame(Opcode.CONT, b'\xa4"}', fin=False),
        Frame(Opcode.CONT, b"]"),
    )
    raw._socket.transport.write(b"".join(part.serialize(mask=True) for part in parts))
    assert (await raw.answer("7"))["ok"]


async def test_whoever_sends_bytes_is_not_answered(raw: Raw) -> None:
    await raw.send(b"", b"\x00\xff", b'427["players.get"]')
    assert (await raw.call("players.get"))["ok"]
    assert len(raw.acks) == 1
