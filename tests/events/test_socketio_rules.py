"""Socket.IO 5, rule by rule, in conformance mode: by hand, and by python-socketio's own client.

Source: https://socket.io/docs/v4/socket-io-protocol/
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import socketio

from tests.support.conformance import SOCKET, Conformance, Engine, Socket

WITHIN_S = 10
TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
FILLED = json.dumps({"text": "ä" * 150_000}, ensure_ascii=False)
"""300 kB."""


@pytest.fixture
async def engine(conformance: Conformance) -> AsyncIterator[Engine]:
    """Socket.IO's path."""
    async with aiohttp.ClientSession() as http:
        yield Engine(http, conformance.url, SOCKET)


@pytest.fixture
async def socket(engine: Engine) -> AsyncIterator[Socket]:
    """A WebSocket that has connected to no namespace."""
    async with engine.websocket() as opened:
        yield opened


@pytest.fixture
async def main(socket: Socket) -> Socket:
    """One that has connected to `/`."""
    await socket.send("40")
    await _connected(socket, "")
    return socket


async def _connected(socket: Socket, space: str, auth: str = "{}") -> str:
    """Expect CONNECT, and then what the connect handler says. Returns the id."""
    answer = str(await socket.next())
    assert answer.startswith(f"40{space}{{"), answer
    said = json.loads(answer[len(f"40{space}") :])
    assert said.keys() == {"sid"}
    assert await socket.next() == f'42{space}["auth",{auth}]'
    return str(said["sid"])


# ---- namespaces


@pytest.mark.parametrize(
    ("packet", "space", "auth"),
    [
        ("40", "", "{}"),
        ('40{"token":"123"}', "", '{"token":"123"}'),
        ("40/,", "", "{}"),
        ("40/custom,", "/custom,", "{}"),
        ("40/custom", "/custom,", "{}"),
        ("40/custom?a=b,", "/custom,", "{}"),
        ('40/custom,{"token":"abc"}', "/custom,", '{"token":"abc"}'),
    ],
)
async def test_connect_comes_before_what_its_handler_says(
    socket: Socket, packet: str, space: str, auth: str
) -> None:
    await socket.send(packet)
    await _connected(socket, space, auth)


async def test_each_namespace_names_a_client_anew(main: Socket) -> None:
    await main.send("40/custom,")
    custom = await _connected(main, "/custom,")
    await main.send("41/custom,", "40/custom,")
    assert await _connected(main, "/custom,") != custom


@pytest.mark.parametrize("packet", ["40/random", "40/random,", '40/random,{"token":"1"}'])
async def test_a_namespace_that_is_not_there(socket: Socket, packet: str) -> None:
    await socket.send(packet)
    assert await socket.next() == '44/random,{"message":"Invalid namespace"}'
    await socket.send("40")
    await _connected(socket, "")


async def test_who_connects_to_nothing_is_closed(engine: Engine) -> None:
    async with engine.websocket() as silent:
        await silent.closed()


async def test_who_has_left_all_namespaces_may_come_back(main: Socket) -> None:
    await main.send("41")
    await main.send('42["message","nobody"]', "40")
    await _connected(main, "")


async def test_leaving_one_namespace_leaves_the_other(main: Socket) -> None:
    await main.send("40/custom,")
    await _connected(main, "/custom,")
    await main.send("41/custom,", '42/custom,["message","left"]', '42["message","here"]')
    assert await main.next() == '42["message-back","here"]'


async def test_both_namespaces_over_one_websocket(main: Socket) -> None:
    await main.send("40/custom,")
    await _connected(main, "/custom,")
    await main.send(
        '42/custom,["message",1]', '42["message",2]', '42/custom,7["message-with-ack",3]'
    )
    heard = [await main.next() for _ in range(3)]
    assert heard == ['42/custom,["message-back",1]', '42["message-back",2]', "43/custom,7[3]"]


# ---- events and answers


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ('42["message",1,"2",{"3":[true]}]', '42["message-back",1,"2",{"3":[true]}]'),
        ('42["message"]', '42["message-back"]'),
        ('42456["message-with-ack",1,"2",{"3":[false]}]', '43456[1,"2",{"3":[false]}]'),
        ('420["message-with-ack"]', "430[]"),
        (f'42["message",{FILLED}]', f'42["message-back",{FILLED}]'),
    ],
    ids=lambda text: text[:40],
)
async def test_what_is_said_comes_back(main: Socket, said: str, answered: str) -> None:
    await main.send(said)
    assert await main.next() == answered


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (f'452-["message",{TWO}]', f'452-["message-back",{TWO}]'),
        (f'452-789["message-with-ack",{TWO}]', f"462-789[{TWO}]"),
    ],
)
async def test_bytes_come_back_after_their_event(main: Socket, said: str, answered: str) -> None:
    large = bytes(300_000)
    await main.send(said, b"\1\2\3", large)
    assert [await main.next() for _ in range(3)] == [answered, b"\1\2\3", large]


@pytest.mark.parametrize("packet", ["abc", "9", "", "2/", "5x-[]", "42", "4{}"])
async def test_what_is_no_packet_closes(main: Socket, packet: str) -> None:
    await main.send(f"4{packet}")
    await main.closed()


@pytest.mark.parametrize(
    "packet",
    ["2{}", "2", "2[", '2"message"', 'abc["message"]', '2abc["message-with-ack",1]', "2[1]"],
)
async def test_an_event_that_is_none_closes(main: Socket, packet: str) -> None:
    await main.send(f"4{packet}")
    await main.closed()


async def test_what_is_no_packet_closes_before_connect(socket: Socket) -> None:
    await socket.send("4abc")
    await socket.closed()


# ---- python-socketio's client


class Oracle:
    """A client that others have written, in both namespaces."""

    def __init__(self) -> None:
        self.heard: dict[str, list[Any]] = {"/": [], "/custom": []}
        self._changed = asyncio.Event()
        self.client = socketio.AsyncClient(reconnection=False)
        for space in self.heard:
            self.client.on("message-back", self._hears(space), namespace=space)

    def _hears(self, space: str) -> Any:
        async def heard(*arguments: Any) -> None:
            self.heard[space].append(list(arguments))
            self._changed.set()

        return heard

    async def until(self, space: str, number: int) -> list[Any]:
        """Wait for so many messages."""
        async with asyncio.timeout(WITHIN_S):
            while len(self.heard[space]) < number:
                self._changed.clear()
                await self._changed.wait()
        return self.heard[space]


@pytest.fixture(params=[["polling"], ["websocket"], ["polling", "websocket"]], ids="-".join)
async def oracle(request: pytest.FixtureRequest, conformance: Conformance) -> AsyncIterator[Oracle]:
    """One by each transport, and by an upgrade."""
    oracle = Oracle()
    await oracle.client.connect(
        conformance.url, transports=request.param, namespaces=["/", "/custom"]
    )
    yield oracle
    await oracle.client.shutdown()
    await oracle.client.eio.disconnect()
    await oracle.client.eio.wait()


@pytest.mark.parametrize("space", ["/", "/custom"])
async def test_the_official_client_hears_what_it_has_said(oracle: Oracle, space: str) -> None:
    said = [[1, "ä", {"b": [b"\0\1", None]}], [], ["x" * 300_000], [b"y" * 300_000, {"z": b""}]]
    for arguments in said:
        await oracle.client.emit("message", tuple(arguments), namespace=space)
    assert await oracle.until(space, len(said)) == said


@pytest.mark.parametrize("space", ["/", "/custom"])
async def test_the_official_client_gets_its_answers(oracle: Oracle, space: str) -> None:
    for given, answered in [(("a", 1), ("a", 1)), ((b"\0\1", {"b": b"2"}), (b"\0\1", {"b": b"2"}))]:
        answer = await oracle.client.call(
            "message-with-ack", given, namespace=space, timeout=WITHIN_S
        )
        assert tuple(answer) == answered


async def test_the_official_client_gets_all_in_order(oracle: Oracle) -> None:
    for number in range(300):
        await oracle.client.emit("message", number)
    assert await oracle.until("/", 300) == [[number] for number in range(300)]
