"""Memory that clients take: it is bounded, and given back at once when they are gone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import aiohttp
import pytest
import pytest_asyncio

from server.transport.websocket import RESTRICTED_BYTES
from tests.support.abuse import hostile
from tests.support.abuse.handshakes import HELLO
from tests.support.outside import memory, metric, sockets, until
from tests.support.people import registered, service_key
from tests.support.polling import Polling
from tests.support.server import Server
from tests.support.websocket import CONTINUATION, frame
from tests.support.wire import Transport, Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

TIMES = 4
FREED_WITHIN_S = 10.0
MB = 1_000_000
HOSTILE = 330


# ---- reference cycles


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def counted(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server without a garbage collector, that counts its objects."""
    folder = tmp_path_factory.mktemp("counted")
    async with Server(folder, "tests.support.counting_server") as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def observer(counted: Server) -> AsyncIterator[Wire]:
    """A connection that stays, and asks what is there."""
    connection = await Wire.connect(counted.url, service_key=await service_key(counted, "read"))
    yield connection
    await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(counted: Server) -> str:
    """The access token of a user."""
    return (await registered(counted.url)).tokens.access_token


class Visit:
    """One connection to a server, from its beginning to its end."""

    def __init__(self, server: Server, token: str) -> None:
        self.server = server
        self.token = token

    async def raw(self, *said: bytes) -> None:
        """Say something over TCP, each time until it is answered or closed, and hang up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        with suppress(ConnectionError):
            for part in said:
                writer.write(part)
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(65_536), 0.05)
        writer.transport.abort()

    async def opened(self, way: Transport) -> Wire:
        """A connection that is not logged in."""
        return await Wire.open(self.server.url, way)

    async def logged_in(self, way: Transport) -> Wire:
        """A connection that is."""
        return await Wire.connect(self.server.url, way, token=self.token)


async def lost(visit: Visit, way: Transport) -> None:
    await (await visit.opened(way)).drop()


async def half_a_message(visit: Visit, way: Transport) -> None:
    wire = await visit.opened(way)
    wire.write(frame("4" * (RESTRICTED_BYTES // 2), fin=False))
    await wire.drop()


async def refused(visit: Visit, way: Transport) -> None:
    wire = await visit.opened(way)
    wire.write(b"\x81\x00")
    await wire.until_closed()


async def not_let_in(visit: Visit, way: Transport) -> None:
    wire = await visit.opened(way)
    assert not (await wire.log_in({"token": "none"}))["ok"]
    await wire.drop()


async def closed(visit: Visit, way: Transport) -> None:
    await (await visit.logged_in(way)).close()


async def played(visit: Visit, way: Transport) -> None:
    wire = await visit.logged_in(way)
    assert (await wire.call("rooms.join", room="battles"))["ok"]
    assert (await wire.call("players.get"))["ok"]
    assert not (await wire.call("players.allocate", attack=1, request_id="r"))["ok"]
    await wire.drop()


async def half_a_large_message(visit: Visit, way: Transport) -> None:
    wire = await visit.logged_in(way)
    wire.write(frame("4" * 50_000, fin=False))
    for _ in range(9):
        wire.write(frame("4" * 50_000, CONTINUATION, fin=False))
    await wire.drop()


WEBSOCKET_VISITS = (lost, half_a_message, refused, half_a_large_message)
VISITS = (not_let_in, closed, played)


async def upgraded(visit: Visit) -> None:
    async with aiohttp.ClientSession() as http:
        polling = await Polling(http, visit.server.url).log_in(token=visit.token)
        wire = await Wire.upgrade(visit.server.url, polling.sid)
        assert (await wire.call("players.get"))["ok"]
        await wire.drop()


async def probed(visit: Visit) -> None:
    async with aiohttp.ClientSession() as http:
        polling = await Polling(http, visit.server.url).log_in(token=visit.token)
        await (await Wire.upgrade(visit.server.url, polling.sid)).drop()
        await polling.post("1")


async def not_waited_for(visit: Visit) -> None:
    for turns in range(8):
        _, writer = await asyncio.open_connection("127.0.0.1", visit.server.port)
        writer.write(b"GET /main.js HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(turns):
            await asyncio.sleep(0)
        writer.transport.abort()


async def left_the_namespace(visit: Visit) -> None:
    wire = await visit.logged_in("websocket")
    wire.send("41")
    assert not (await wire.call("players.get"))["ok"]
    await wire.drop()


_ASKED = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: %b\r\n\r\n"
_KEY = b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
RAW: dict[str, tuple[bytes, ...]] = {
    "nothing": (),
    "no request": (b"HELLO\r\n\r\n",),
    "half a head": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 10_000,),
    "half a body": (b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",),
    "a page": (b"GET /main.js HTTP/1.1\r\nHost: x\r\n\r\n",),
    "no page": (b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n",),
    "pipelined": (b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 100,),
    "no WebSocket there": (b"GET /nothing HTTP/1.1\r\nHost: x\r\n" + _KEY + _ASKED % b"13",),
    "another version": (b"GET /ws HTTP/1.1\r\nHost: x\r\n" + _KEY + _ASKED % b"12",),
    "no key": (b"GET /ws HTTP/1.1\r\nHost: x\r\n" + _ASKED % b"13",),
    "no token": (b"GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n" + _KEY
                 + _ASKED % b"13",),
    "too early": (b"GET /ws HTTP/1.1\r\nHost: x\r\n" + _KEY + _ASKED % b"13" + frame("{}"),),
    "no session": (b"GET /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: x\r\n\r\n",),
}  # fmt: skip

Run = Callable[[Visit], Awaitable[None]]


def _over(run: Callable[[Visit, Transport], Awaitable[None]], way: Transport) -> Run:
    return lambda visit: run(visit, way)


def _raw(said: tuple[bytes, ...]) -> Run:
    return lambda visit: visit.raw(*said)


CASES: dict[str, Run] = {
    **{
        f"{run.__name__}, {way}": _over(run, way)  # type: ignore[arg-type]
        for way in ("websocket", "plain", "polling")
        for run in VISITS + (() if way == "polling" else WEBSOCKET_VISITS)
    },
    **{run.__name__: run for run in (upgraded, probed, left_the_namespace, not_waited_for)},
    **{name: _raw(said) for name, said in RAW.items()},
}


@pytest.mark.parametrize("case", CASES)
async def test_a_connection_that_is_gone_leaves_no_object(
    counted: Server, observer: Wire, token: str, case: str
) -> None:
    visit = Visit(counted, token)

    async def count() -> dict[str, int]:
        answer = await observer.call("tests.count_objects")
        found: dict[str, int] = answer["data"]["objects"]
        return found

    async def settled() -> dict[str, int]:
        seen: list[dict[str, int]] = [{}]

        async def is_quiet() -> bool:
            seen.append(await count())
            return seen[-1] == seen[-2]

        await until(is_quiet, FREED_WITHIN_S)
        return seen[-1]

    await CASES[case](visit)  # what is made once is made
    before = await settled()
    for _ in range(TIMES):
        await CASES[case](visit)
    left: dict[str, int] = {}

    async def is_freed() -> bool:
        left.clear()
        left.update({k: n - before.get(k, 0) for k, n in (await count()).items()})
        return all(more < TIMES for more in left.values())

    with suppress(TimeoutError):
        await until(is_freed, FREED_WITHIN_S)
    assert {kind: more for kind, more in left.items() if more >= TIMES} == {}


# ---- bounds


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server as anybody runs it, but for how many may be unauthenticated."""
    async with Server(
        tmp_path_factory.mktemp("real"),
        MAX_CONNECTIONS_PER_ADDRESS="1000",
        MAX_UNAUTHENTICATED_CONNECTIONS="60",
    ) as started:
        yield started


async def test_hostile_connections_give_back_what_they_took(real: Server) -> None:
    assert real.process is not None
    pid = real.process.pid
    await hostile.attack(real.port, len(hostile.KINDS))
    quiet, before = sockets(pid), memory(pid)
    await hostile.attack(real.port, HOSTILE)

    async def is_given_back() -> bool:
        return sockets(pid) <= quiet + 1 and memory(pid) < before + 20 * MB

    await until(is_given_back, FREED_WITHIN_S)


async def test_unauthenticated_clients_give_way_to_newer_ones(real: Server) -> None:
    name = 'warroom_transport_refused_total{reason="too_many_unauthenticated"}'
    first = await Wire.open(real.url, "plain")
    wires = [await Wire.open(real.url, "websocket") for _ in range(60)]
    assert await first.until_closed() == (1013, "too many unauthenticated clients")
    assert await metric(real.url, name) >= 1
    assert await metric(real.url, "warroom_unauthenticated_connections") <= 60
    token = (await registered(real.url)).tokens.access_token
    late = await Wire.connect(real.url, "plain", token=token)
    assert (await late.call("players.get"))["ok"]
    for wire in (*wires, late):
        await wire.drop()


@pytest.mark.parametrize("way", ["websocket", "plain"])
async def test_messages_that_wait_are_bounded_in_bytes(real: Server, way: Transport) -> None:
    """The first one waits for the database; each of the others is nearly as large as may be."""
    assert real.process is not None
    pid = real.process.pid
    token = (await registered(real.url)).tokens.access_token
    wires = [await Wire.connect(real.url, way, token=token) for _ in range(3)]
    before = memory(pid)
    most = 0
    asked = []
    for wire in wires:
        wire.request("rooms.join", {"room": "battles"})
        asked += [(wire, wire.request("players.get", {"x": "y" * MB})) for _ in range(60)]

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, memory(pid) - before)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    other = await Wire.connect(real.url, way, token=token)
    # Of another class of rates than what floods: another connection of the same user.
    assert (await other.call("rooms.leave", room="nothing"))["ok"]
    for wire, ack in asked:
        assert not (await wire.answer(ack))["ok"]
    watching.cancel()
    assert most < 60 * MB, "of 180 MB that were sent"
    for wire in (*wires, other):
        await wire.close()


async def test_a_session_has_one_body_at_a_time(real: Server) -> None:
    token = (await registered(real.url)).tokens.access_token
    wire = await Wire.connect(real.url, "polling", token=token)
    path = f"{HELLO['polling']}&sid={wire.greeting.sid}"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n".encode()
    _, first = await asyncio.open_connection("127.0.0.1", real.port)
    first.write(head + b"4")
    reader, second = await asyncio.open_connection("127.0.0.1", real.port)
    second.write(head + b"4" * 100_000)
    assert (await reader.read(12)).startswith(b"HTTP/1.1 400")
    await wire.until_closed()
    for writer in (first, second):
        writer.transport.abort()
    await wire.drop()
