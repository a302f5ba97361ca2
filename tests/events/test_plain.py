"""The rules of `/ws` itself: how messages, answers and events are written, and how it ends."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from protocol.auth import LoggedIn
from protocol.ids import uuid7
from tests.support.battles import easy_battle, strike
from tests.support.dialects import Reply
from tests.support.people import Person, connected, registered, service_key
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.websocket import BINARY, CLOSE, CONTINUATION, PING, TEXT, Closed, frame
from tests.support.wire import Wire

LARGEST_ID = 2**53 - 1
POLICY, TOO_LARGE, SERVICE_RESTART = 1008, 1009, 1012
LARGE = "ä🐉x" * 100_000
"""300,000 characters, and 700,000 bytes."""
LEAVE = {"room": "nothing"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that tells what it is told to."""
    async with Server(tmp_path_factory.mktemp("house"), "tests.support.loud_server") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def service(house: Server) -> str:
    """The key of a service that reads."""
    return await service_key(house, "read")


@pytest.fixture
async def logged_in(house: Server) -> LoggedIn:
    """Somebody new."""
    return await registered(house.url)


@pytest.fixture
async def wire(house: Server, logged_in: LoggedIn) -> AsyncIterator[Wire]:
    """Their connection."""
    opened = await Wire.connect(house.url, "plain", token=logged_in.tokens.access_token)
    opened.frames.clear()
    yield opened
    await opened.close()


@pytest.fixture
async def alice(house: Server) -> AsyncIterator[Person]:
    """Somebody who plays, over Socket.IO."""
    person = await connected(house.url)
    yield person
    await person.close()


async def told(wire: Wire) -> list[dict[str, Any]]:
    """All that was said on a connection by the time that a last question is answered."""
    answer = json.dumps(await wire.call("rooms.leave", LEAVE))
    said = [json.loads(text) for text in wire.frames]
    assert said.pop().keys() == {"id", *json.loads(answer)}
    return said


def of_player(logged_in: LoggedIn) -> str:
    """The room of their own player."""
    return f"player:{logged_in.user.id}"


# ---- messages and answers


@pytest.mark.parametrize("ident", [0, 1000, 2**31, LARGEST_ID])
async def test_an_answer_has_the_id_of_its_message(wire: Wire, ident: int) -> None:
    wire.send(json.dumps({"id": ident, "type": "rooms.leave", "data": LEAVE}))
    wire.send(json.dumps({"id": ident, "type": "rooms.leave", "data": {}}))
    good, bad = await told(wire)
    assert good == {"id": ident, "ok": True, "data": {}}
    assert (bad["id"], bad["ok"], bad["error"]["field"]) == (ident, False, "room")
    assert wire.frames[0].startswith(f'{{"id":{ident},')


@pytest.mark.parametrize("ident", ["", '"id":null,'], ids=["absent", "null"])
async def test_a_message_without_an_id_is_carried_out_and_not_answered(
    wire: Wire, logged_in: LoggedIn, ident: str
) -> None:
    room = of_player(logged_in)
    wire.send(f'{{{ident}"type":"rooms.join","data":{{"room":"{room}"}}}}')
    wire.send(f'{{{ident}"type":"tests.shout","data":{{"size":1,"player_id":"{room[7:]}"}}}}')
    wire.send(f'{{{ident}"type":"no.such.command"}}')
    assert [said["type"] for said in await told(wire)] == ["tests.shouted"]


@pytest.mark.parametrize(
    "ident",
    [*("-1", str(2**53), "1.5", "1e3", "1e999", '"7"', "true", "[]", "{}", "1" * 200), "7e0"],
    ids=lambda ident: ident[:20],
)
async def test_what_is_no_id_is_invalid(wire: Wire, ident: str) -> None:
    wire.send(f'{{"id":{ident},"type":"rooms.leave","data":{{"room":"nothing"}}}}')
    (said,) = await told(wire)
    assert (said["id"], said["ok"], said["error"]["code"]) == (None, False, "invalid")
    assert len(json.dumps(said)) < 500


UNREADABLE = [
    *("", " ", "{", "}", "[]", "null", "7", '"players.get"', "x", "2", "40", '42["players.get"]'),
    *('{"type":"players.get"', '{"type":"players.get"}{}', "{'type':'players.get'}", "\x00"),
    *('["players.get",{}]', "[" * 5000, '{"type":' * 5000, '{"type":"players.get","data":NaN}'),
]


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text[:30]))
async def test_what_can_not_be_read_is_answered_with_no_id(wire: Wire, text: str) -> None:
    wire.send(text)
    (said,) = await told(wire)
    assert said.keys() == {"id", "ok", "error"}
    assert (said["id"], said["ok"], said["error"]["code"]) == (None, False, "invalid")


@pytest.mark.parametrize(
    ("rest", "field"),
    [
        ("", "type"),
        (',"type":null', "type"),
        (',"type":7', "type"),
        (',"type":["players.get"]', "type"),
        (',"type":"players.get","extra":1', "extra"),
        (',"type":"players.get","room":"battles"', "room"),
        (',"type":"players.get","data":{"extra":1}', "extra"),
        (',"type":"rooms.leave","data":{"room":7}', "room"),
        (',"type":"rooms.leave"', "room"),
    ],
    ids=lambda value: value[:40],
)
async def test_what_is_wrong_is_named_and_answered_with_the_id(
    wire: Wire, rest: str, field: str
) -> None:
    wire.send(f'{{"id":7{rest}}}')
    (said,) = await told(wire)
    assert (said["id"], said["error"]["code"], said["error"]["field"]) == (7, "invalid", field)


@pytest.mark.parametrize("data", ["null", "[]", "7", '"x"', "[{}]", "true"])
async def test_data_is_an_object(wire: Wire, data: str) -> None:
    wire.send(f'{{"id":7,"type":"players.get","data":{data}}}')
    (said,) = await told(wire)
    assert (said["id"], said["ok"], said["error"]["code"]) == (7, False, "invalid")


async def test_an_unknown_name_is_not_found(wire: Wire) -> None:
    for name in ("battles.cheat", "battles.struck", "", "connect", "__proto__", "x" * 5000):
        assert await wire.refused(name) == ("not_found", None)


async def test_bytes_are_no_message_and_end_nothing(wire: Wire) -> None:
    wire.send(b"", b"\x00\xff", b'{"id":7,"type":"players.get"}')
    wire.write(frame(b"{", BINARY, fin=False) + frame(b"}", CONTINUATION))
    for said in await told(wire):
        assert (said["id"], said["ok"], said["error"]["code"]) == (None, False, "invalid")
    assert len(wire.frames) == 5


async def test_answers_come_in_the_order_of_their_messages(wire: Wire, logged_in: LoggedIn) -> None:
    room = of_player(logged_in)
    messages: list[tuple[str, Any]] = [
        *[("rooms.leave", LEAVE), ("players.get", {}), ("rooms.join", {"room": room})],
        *[("tests.shout", {"size": 1}), ("battles.get", {}), ("no.such", {}), ("players.list", {})],
    ] * 2
    numbered = enumerate(messages, 100)
    wire.send(*(json.dumps({"id": n, "type": t, "data": d}) for n, (t, d) in numbered))
    await wire.answer(str(99 + len(messages)))
    answered = [heard.ack for heard in wire.heard if isinstance(heard, Reply)]
    assert answered == [str(n) for n in range(100, 100 + len(messages))]


async def test_one_id_twice_is_answered_twice(wire: Wire) -> None:
    wire.send(*[json.dumps({"id": 7, "type": "rooms.leave", "data": LEAVE})] * 2)
    assert await told(wire) == [{"id": 7, "ok": True, "data": {}}] * 2


# ---- events


async def test_an_event_has_its_metadata_beside_it_and_comes_before_its_answer(
    wire: Wire, alice: Person, logged_in: LoggedIn
) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    joined = await wire.ok("rooms.join", room=room)
    wire.frames.clear()
    wire.send(json.dumps({"id": 7, "type": "battles.join", "data": {"battle_id": battle_id}}))
    *events, answer = await told(wire)
    assert answer["id"] == 7
    assert [event["seq"] for event in events] == [joined["seq"] + n + 1 for n in range(len(events))]
    for event in events:
        assert event.keys() == {"type", "data", "room", "at", "seq", "epoch", "actor"}
        assert event["actor"] == f"user:{logged_in.user.id}"
        assert (event["room"], event["epoch"]) == (room, joined["epoch"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["at"])
    assert events[0]["type"] == "battles.player_joined"


async def test_an_event_without_a_number_has_none(wire: Wire, logged_in: LoggedIn) -> None:
    await wire.ok("rooms.join", room=of_player(logged_in))
    wire.frames.clear()
    await wire.ok("tests.shout", size=3, mark="m", player_id=logged_in.user.id)
    shouted = json.loads(wire.frames[0])
    assert shouted.keys() == {"type", "data", "room", "at"}
    assert shouted["data"] == {"mark": "m", "text": "xxx", "player_id": logged_in.user.id}


# ---- one person, two transports


@pytest.mark.parametrize("first", ["websocket", "plain"])
async def test_a_request_over_the_other_transport_gets_the_first_reply(
    house: Server, first: str
) -> None:
    logged_in = await registered(house.url)
    people = [await Person(house.url, logged_in).connect(t) for t in ("websocket", "plain")]
    one, other = people if first == "websocket" else people[::-1]
    battle_id = await easy_battle(one)
    join = {"battle_id": battle_id, "request_id": uuid7()}
    blow = {"battle_id": battle_id, "enemy_id": 1, "kind": "quick", "request_id": uuid7()}
    for name, command in (("battles.join", join), ("battles.attack", blow)):
        reply = await one.call(name, command)
        assert reply["ok"]
        assert await other.call(name, command) == reply
    reused = await other.call("battles.attack", {**blow, "enemy_id": 2})
    assert reused["error"]["reason"] == "request_id_reused"
    for person in people:
        await person.close()


# ---- a room in the address


async def test_an_address_with_a_room_joins_it_at_once(house: Server, alice: Person) -> None:
    token = (await registered(house.url)).tokens.access_token
    battle_id = await easy_battle(alice)
    path = f"/ws/battle/{battle_id}"
    headers = {"Authorization": f"Bearer {token}"}
    shown = await Wire.open(house.url, "plain", path=path, headers=headers)
    entered = await Wire.connect(house.url, "plain", path=path, token=token)
    for wire in (shown, entered):
        joined = (await wire.answer("0"))["data"]
        assert (joined["room"], joined["verdict"]) == (f"battle:{battle_id}", "joined")
        assert joined["snapshot"]["battle_id"] == battle_id
    assert [json.loads(text)["id"] for text in entered.frames] == [1, 0]
    await alice.ok("battles.join", battle_id=battle_id)
    for wire in (shown, entered):
        await wire.until_event("battles.player_joined")
        assert wire.events[0].meta["seq"] == joined["seq"] + 1
        await wire.close()


async def test_an_address_with_a_room_that_is_not_ones_own_says_so(
    house: Server, alice: Person, service: str
) -> None:
    token = (await registered(house.url)).tokens.access_token
    battle_id = await easy_battle(alice)
    for path, header, code in (
        (f"/ws/battle/{uuid7()}", f"Bearer {token}", "not_found"),
        (f"/ws/player/{alice.id}", f"Bearer {token}", "not_found"),
        ("/ws/nothing/x", f"Bearer {token}", "not_found"),
        (f"/ws/battle/{battle_id}", f"Service-Key {service}", "forbidden"),
    ):
        headers = {"Authorization": header}
        wire = await Wire.open(house.url, "plain", path=path, headers=headers)
        assert (await wire.answer("0"))["error"]["code"] == code, path
        assert (await wire.call("rooms.leave", LEAVE))["ok"]
        await wire.close()


# ---- what is large, and what is in parts


async def test_what_is_large_comes_and_goes_whole(wire: Wire, logged_in: LoggedIn) -> None:
    await wire.ok("rooms.join", room=of_player(logged_in))
    for size, mark in ((0, LARGE), (300_000, "m"), (65_536, "x" * 65_535), (125, "x" * 126)):
        shout = {"size": size, "mark": mark, "player_id": logged_in.user.id}
        message = {"id": size, "type": "tests.shout", "data": shout}
        wire.send(json.dumps(message, ensure_ascii=False))
        assert (await wire.answer(str(size)))["ok"]
        shouted = wire.named("tests.shouted")[-1]
        assert (shouted["mark"] == mark, len(shouted["text"])) == (True, size)


async def test_a_message_in_parts_is_one(wire: Wire, logged_in: LoggedIn) -> None:
    await wire.ok("rooms.join", room=of_player(logged_in))
    shout = {"size": 0, "mark": "ä🐉" * 5000, "player_id": logged_in.user.id}
    message = {"id": 7, "type": "tests.shout", "data": shout}
    raw = json.dumps(message, ensure_ascii=False).encode()
    parts = [raw[at : at + 1001] for at in range(0, len(raw), 1001)]  # some end within a letter
    wire.write(frame(parts[0], TEXT, fin=False))
    for part in parts[1:-1]:
        wire.write(frame(part, CONTINUATION, fin=False) + frame(b"between", PING))
    wire.write(frame(parts[-1], CONTINUATION))
    assert (await wire.answer("7"))["ok"]
    assert wire.named("tests.shouted")[0]["mark"] == shout["mark"]


async def test_what_is_too_large_ends_its_connection_alone(house: Server, wire: Wire) -> None:
    token = (await registered(house.url)).tokens.access_token
    other = await Wire.connect(house.url, "plain", token=token)
    other.send('{"id":7,"type":"' + "x" * 1_048_576 + '"}')
    assert (await other.until_closed()).code == TOO_LARGE
    assert (await wire.call("rooms.leave", LEAVE))["ok"]


# ---- how it ends


async def test_who_is_let_go_is_told_why(house: Server, wire: Wire, logged_in: LoggedIn) -> None:
    async with beside(house) as office:
        admin = await Person(house.url, await office.person("admin")).connect("plain")
    (view,) = (await admin.ok("connections.list", user_id=logged_in.user.id))["items"]
    assert (view["transport"], view["address"]) == ("plain", "127.0.0.1")
    fields = {"connection_id": view["connection_id"], "reason": "come back later 🐉"}
    await admin.ok("connections.disconnect", **fields)
    assert (await wire.until_closed()).code == POLICY
    evicted = {"reason": "disconnected", "message": fields["reason"]}
    assert [event[:2] for event in wire.events] == [("server.evicted", evicted)]
    await admin.close()


async def test_a_server_that_ends_says_so(own_server: Server) -> None:
    token = (await registered(own_server.url)).tokens.access_token
    nobody = await Wire.open(own_server.url, "plain")
    wire = await Wire.connect(own_server.url, "plain", token=token)
    stopping = asyncio.create_task(own_server.stop())
    for connection in (wire, nobody):
        assert (await connection.until_closed()).code == SERVICE_RESTART
    assert wire.events[-1].name == "server.closing"
    assert await stopping == 0


@pytest.mark.parametrize(
    ("code", "reason"), [(1000, ""), (1001, "the page is left"), (4000, "später")]
)
async def test_who_goes_is_answered_with_the_same_code(wire: Wire, code: int, reason: str) -> None:
    wire.write(frame(code.to_bytes(2) + reason.encode(), CLOSE))
    assert await wire.until_closed() == Closed(code, reason)


async def test_after_a_drop_what_was_missed_is_told(house: Server, alice: Person) -> None:
    token = (await registered(house.url)).tokens.access_token
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    wire = await Wire.connect(house.url, "plain", token=token)
    joined = await wire.ok("rooms.join", room=room)
    await alice.ok("battles.join", battle_id=battle_id)
    await wire.until_event("battles.player_joined")
    await wire.drop()
    seen = wire.events[-1].meta["seq"]
    for _ in range(3):
        assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
    again = await Wire.connect(house.url, "plain", token=token)
    since = {"epoch": joined["epoch"], "seq": seen}
    verdict = await again.ok("rooms.join", room=room, since=since)
    assert verdict["verdict"] == "gap_filled"
    assert "snapshot" not in verdict
    await again.until(lambda: len(again.events) >= verdict["missed"])
    numbers = [event.meta["seq"] for event in again.events]
    assert numbers[: verdict["missed"]] == list(range(seen + 1, verdict["seq"] + 1))
    assert isinstance(again.heard[0], Reply), "the verdict comes first"
    assert len(again.named("battles.struck")) == 3
    await again.close()
