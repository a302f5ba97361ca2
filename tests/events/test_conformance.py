"""Conformance mode beside the suites: what a load generator says, the echo of a WebSocket, and who
may reach it."""

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from server.conformance.site import is_loopback
from tests.support.conformance import PING_TIMEOUT_MS, SOCKET, Conformance, Engine, Socket

STATE = {
    "t": "0000000000000017",
    "seq": 1,
    "type": "state",
    "battle": "b-1042",
    "player": {"id": "p-77", "hp": 87, "pos": [12.5, -3.25, 0.75]},
    "fx": ["burn", "haste"],
    "pad": "xxx",
}
BLOW = {
    "t": "0000000000000017",
    "from": 3,
    "n": 0,
    "room": "r0",
    "battle_id": "r0",
    "enemy_id": 2,
    "kind": "longbow",
    "request_id": "0000019a-0003-00000001",
    "pad": "",
}


class Generator:
    """A client as a load generator is one: it speaks at once, and is not greeted."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket

    async def send(self, packet: str) -> None:
        """Send a packet as it is."""
        await self._socket.send(packet)

    async def next(self) -> str:
        """The next packet."""
        heard = await self._socket.next()
        assert isinstance(heard, str)
        return heard

    async def call(self, name: str, data: Any) -> Any:
        """The answer to a message, which comes next."""
        await self.send(f"427{json.dumps([name, data])}")
        answer = await self.next()
        assert answer.startswith("437["), answer
        (found,) = json.loads(answer[3:])
        return found


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def generators(
    conformance: Conformance, http: aiohttp.ClientSession
) -> AsyncIterator[list[Generator]]:
    """Two that are in one room of this test, and one that is not."""
    engine = Engine(http, conformance.url, SOCKET)
    async with engine.websocket() as one, engine.websocket() as two, engine.websocket() as three:
        made = [Generator(socket) for socket in (one, two, three)]
        for generator in made:
            await generator.send("40")
            assert (await generator.next()).startswith('40{"sid":')
        for generator, room in zip(made, ("r0", "r0", "other"), strict=True):
            assert await generator.call("join", {"room": room}) == {"ok": True}
        yield made


async def test_an_echo_is_the_same_object(generators: list[Generator]) -> None:
    for given in (STATE, {"seq": 0}, {}):
        assert await generators[0].call("echo", given) == given


async def test_a_broadcast_reaches_the_room_bare_and_before_its_answer(
    generators: list[Generator],
) -> None:
    one, two, three = generators
    message = {"t": "1", "anything": [1, {"x": None}]}
    said = '42["msg",{"t":"1","anything":[1,{"x":null}]}]'
    await one.send(f"421{json.dumps(['bcast', {'room': 'r0', 'msg': message}])}")
    assert [await one.next() for _ in range(2)] == [said, '431[{"ok":true}]']
    assert await two.next() == said
    await one.send(f"42{json.dumps(['bcast', {'room': 'r0', 'msg': message}])}")  # asks no answer
    assert [await one.next(), await two.next()] == [said, said]
    assert await three.call("echo", {"seq": 3}) == {"seq": 3}  # and has heard nothing


async def test_a_strike_reaches_the_room_as_it_was_made(generators: list[Generator]) -> None:
    one, two, _ = generators
    await one.send(f"421{json.dumps(['attack', BLOW])}")
    event, answer = [await one.next() for _ in range(2)]
    assert event == await two.next()
    assert event.startswith('42["attack",{')
    assert json.loads(event[2:]) == ["attack", BLOW]
    assert answer == '431[{"ok":true,"hp":87}]'


@pytest.mark.parametrize(
    ("name", "data", "field"),
    [
        ("join", {"room": 5}, "room"),
        ("join", {}, "room"),
        ("join", {"room": ""}, "room"),
        ("echo", {"seq": "one"}, "seq"),
        ("echo", {"seq": 2**53}, "seq"),
        ("echo", {"player": {"id": "p", "hp": "full", "pos": [0, 0, 0]}}, "player.hp"),
        ("echo", {"nobody": 1}, "nobody"),
        ("bcast", {"room": "r0"}, "msg"),
        ("bcast", {"room": "r0", "msg": "text"}, "msg"),
        ("attack", {**BLOW, "enemy_id": "two"}, "enemy_id"),
        ("attack", {**BLOW, "from": None, "room": []}, "room"),
        ("attack", {**BLOW, "request_id": "no spaces"}, "request_id"),
    ],
)
async def test_a_bad_field_is_refused_and_named(
    generators: list[Generator], name: str, data: Any, field: str
) -> None:
    answer = await generators[0].call(name, data)
    assert answer.keys() == {"ok", "error"}
    assert answer["ok"] is False
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", field)


@pytest.mark.parametrize("name", ["msg", "rooms.join", "battles.attack", "auth"])
async def test_no_other_command_is_known(generators: list[Generator], name: str) -> None:
    assert (await generators[0].call(name, {}))["error"]["code"] == "not_found"


async def test_answers_and_events_are_counted(
    conformance: Conformance, http: aiohttp.ClientSession, generators: list[Generator]
) -> None:
    async def counted(name: str, labels: dict[str, str]) -> float:
        async with http.get(f"{conformance.url}/metrics") as answer:
            text = await answer.text()
        shown = ",".join(f'{label}="{value}"' for label, value in labels.items())
        found = re.search(rf"^{name}_total\{{{shown}\}} (\S+)$", text, re.M)
        return float(found[1]) if found else 0.0

    counters: list[tuple[str, dict[str, str]]] = [
        ("warroom_replies", {"code": "ok", "name": "attack"}),
        ("warroom_replies", {"code": "invalid", "name": "attack"}),
        ("warroom_events", {"name": "attack"}),
    ]
    before = [await counted(name, labels) for name, labels in counters]
    one = generators[0]
    for blow in (BLOW, BLOW, {}):
        await one.send(f"42{json.dumps(['attack', blow])}")
    for _ in range(2):
        assert json.loads((await one.next())[2:])[0] == "attack"
    assert await one.call("echo", {}) == {}
    after = [await counted(name, labels) for name, labels in counters]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 2]


# ---- the echo


async def test_a_websocket_hears_what_it_says(
    conformance: Conformance, http: aiohttp.ClientSession
) -> None:
    said: list[str | bytes] = ["", "ä€😀", b"", b"\0\xff", "x" * 2_000_000, bytes(70_000)]
    async with http.ws_connect(f"{conformance.url}/echo", max_msg_size=0) as socket:
        for message in said:
            await (socket.send_str if isinstance(message, str) else socket.send_bytes)(message)
        for message in said:
            assert (await socket.receive()).data == message
        await socket.ping(b"there?")
        await socket.close(code=1000)
        assert socket.close_code == 1000


async def test_the_echo_is_no_page(conformance: Conformance, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{conformance.url}/echo") as answer:
        assert answer.status == 400
    async with http.get(f"{conformance.url}/nothing") as answer:
        assert answer.status == 404


# ---- for whom


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_can_reach_it(host: str) -> None:
    assert is_loopback(host)


EVERYBODY = "0.0.0.0"  # noqa: S104


@pytest.mark.parametrize(
    "host", [EVERYBODY, "::", "192.0.2.1", "example.org", "localhost.org", "127.0.0.1.org", ""]
)
def test_others_can_not(host: str) -> None:
    assert not is_loopback(host)


async def test_a_host_that_others_can_reach_is_refused(conformance: Conformance) -> None:
    where = ("--host", EVERYBODY, "--port", "0")
    code, output, errors = await conformance.run("conformance", *where)
    assert (code, output) == (1, "")
    words = f"HOST must be a loopback address in conformance mode, not {EVERYBODY!r}"
    assert errors == f"warroom: {words}\n"


async def test_a_setting_that_can_not_be_used_is_named(conformance: Conformance) -> None:
    options = ("--ping-interval-ms", "0", "--max-message-bytes", "lots")
    code, _, errors = await conformance.run("conformance", *options)
    assert code == 2
    assert "PING_INTERVAL_MS" in errors
    assert "MAX_MESSAGE_BYTES" in errors


async def test_settings_of_the_gateway_are_settings_here(
    tmp_path: Path, http: aiohttp.ClientSession
) -> None:
    settings = {"PING_INTERVAL_MS": "1234", "CORS_ORIGINS": "https://one.example"}
    async with Conformance(tmp_path, **settings) as other:
        url = f"{other.url}{SOCKET}?EIO=4&transport=polling"
        async with http.get(url, headers={"Origin": "https://one.example"}) as answer:
            opened = json.loads((await answer.text())[1:])
            assert (opened["pingInterval"], opened["pingTimeout"]) == (1234, PING_TIMEOUT_MS)
            assert answer.headers["Access-Control-Allow-Origin"] == "https://one.example"
        async with http.get(url, headers={"Origin": "https://two.example"}) as answer:
            assert answer.status == 403
