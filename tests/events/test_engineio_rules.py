"""Engine.IO 4, rule by rule: bare in conformance mode, and below Socket.IO on the real server.

Source: https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from tests.support.conformance import (
    ANSWERS_WITHIN_S,
    ENGINE,
    MAX_PAYLOAD,
    PING_INTERVAL_MS,
    PING_TIMEOUT_MS,
    SOCKET,
    Conformance,
    Engine,
)
from tests.support.server import Server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections of one test."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def real(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The server itself: what is stored makes no difference here, so on one database."""
    async with Server(tmp_path_factory.mktemp("real")) as started:
        yield started


@pytest.fixture
def engine_io(conformance: Conformance, http: aiohttp.ClientSession) -> Engine:
    """Bare Engine.IO: it says back each message."""
    return Engine(http, conformance.url)


@pytest.fixture(params=["conformance/engine.io", "conformance/socket.io", "server/socket.io"])
def any_engine(
    request: pytest.FixtureRequest,
    conformance: Conformance,
    real: Server,
    http: aiohttp.ClientSession,
) -> Engine:
    """Each path of Engine.IO there is."""
    mode, _, path = request.param.partition("/")
    url = conformance.url if mode == "conformance" else real.url
    return Engine(http, url, ENGINE if path == "engine.io" else SOCKET)


# ---- handshake


@pytest.mark.parametrize("path", [ENGINE, SOCKET])
async def test_intervals_are_announced_in_milliseconds(
    conformance: Conformance, http: aiohttp.ClientSession, path: str
) -> None:
    engine = Engine(http, conformance.url, path)
    opened = (await engine.ask("GET", EIO="4", transport="polling")).opened
    assert isinstance(opened.pop("sid"), str)
    said = {
        "pingInterval": PING_INTERVAL_MS,
        "pingTimeout": PING_TIMEOUT_MS,
        "maxPayload": MAX_PAYLOAD,
    }
    assert opened == {"upgrades": ["websocket"], **said}
    async with engine.socket(EIO="4", transport="websocket") as socket:
        text = str(await socket.next())
        opened = json.loads(text[1:])
        assert opened.pop("sid")
        assert opened == {"upgrades": [], **said}


@pytest.mark.parametrize(
    "query",
    [
        {"transport": "polling"},
        {"EIO": "abc", "transport": "polling"},
        {"EIO": "3", "transport": "polling"},
        {"EIO": "4"},
        {"EIO": "4", "transport": "abc"},
        {"EIO": "4", "transport": "websocket"},
        {"EIO": "4", "transport": "polling", "sid": "nobody"},
    ],
    ids=str,
)
async def test_what_names_no_session_and_opens_none_is_refused(
    any_engine: Engine, query: dict[str, str]
) -> None:
    status, body = await any_engine.ask("GET", **query)
    assert status == 400
    assert json.loads(body).keys() == {"code", "message"}


@pytest.mark.parametrize(
    "query",
    [
        {"transport": "websocket"},
        {"EIO": "abc", "transport": "websocket"},
        {"EIO": "4"},
        {"EIO": "4", "transport": "abc"},
        {"EIO": "4", "transport": "websocket", "sid": "nobody"},
    ],
    ids=str,
)
async def test_a_websocket_of_nothing_is_refused(any_engine: Engine, query: dict[str, str]) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with any_engine.socket(**query):
            pass
    assert refused.value.status == 400


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_only_get_opens_a_session(any_engine: Engine, method: str) -> None:
    assert (await any_engine.ask(method, EIO="4", transport="polling")).status == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_changes_nothing(any_engine: Engine, method: str) -> None:
    await any_engine.open()
    query = {"EIO": "4", "transport": "polling", "sid": any_engine.sid}
    assert (await any_engine.ask(method, **query)).status == 400
    assert await any_engine.is_open()


# ---- messages


@pytest.mark.parametrize(
    "packets",
    [
        ["4hello"],
        ["4test1", "4test2", "4test3"],
        ["4hello", "bAQIDBA=="],
        ["bAQIDBA==", "4ä€😀", "4"],
    ],
    ids=str,
)
async def test_what_is_posted_is_said_back_in_its_order(
    engine_io: Engine, packets: list[str]
) -> None:
    await engine_io.open()
    posted = await engine_io.post(*packets)
    assert posted == (200, "ok")
    assert (await engine_io.poll()).packets == packets


async def test_text_and_bytes_come_back_over_a_websocket(engine_io: Engine) -> None:
    async with engine_io.websocket() as socket:
        await socket.send("4hello", b"\1\2\3\4", "4", b"")
        assert [await socket.next() for _ in range(4)] == ["4hello", b"\1\2\3\4", "4", b""]


@pytest.mark.parametrize("body", ["abc", "4good\x1eabc", "b!", "\x1e", "9"], ids=repr)
async def test_what_is_no_packet_is_refused_and_ends_the_session(
    any_engine: Engine, body: str
) -> None:
    await any_engine.open()
    assert (await any_engine.post(body)).status == 400
    assert (await any_engine.poll()).status == 400


@pytest.mark.parametrize("text", ["abc", "9", ""], ids=repr)
async def test_what_is_no_packet_closes_a_websocket(any_engine: Engine, text: str) -> None:
    async with any_engine.websocket() as socket:
        await socket.send(text)
        await socket.closed()


async def test_a_body_that_is_too_large_is_refused(engine_io: Engine) -> None:
    await engine_io.open()
    assert (await engine_io.post("4" + "x" * MAX_PAYLOAD)).status == 413
    assert (await engine_io.poll()).status == 400


async def test_a_body_of_the_largest_size_is_taken(engine_io: Engine) -> None:
    await engine_io.open()
    packet = "4" + "x" * (MAX_PAYLOAD - 1)
    assert (await engine_io.post(packet)).status == 200
    assert (await engine_io.poll()).body == packet


# ---- polls


async def test_a_second_poll_ends_the_session(any_engine: Engine) -> None:
    await any_engine.open()
    async with any_engine.waiting() as first:
        assert (await any_engine.poll()).status == 400
        assert await first.answer() == (200, "1")
    assert (await any_engine.poll()).status == 400


async def test_a_poll_that_is_given_up_ends_the_session(any_engine: Engine) -> None:
    await any_engine.open()
    async with any_engine.waiting() as poll, asyncio.timeout(ANSWERS_WITHIN_S):
        poll.give_up()
        while await any_engine.is_open():  # until the server has seen the end of its connection
            continue


# ---- heartbeat


async def test_pings_come_at_their_interval_and_are_answered(engine_io: Engine) -> None:
    await engine_io.open()
    for _ in range(2):
        assert await engine_io.poll() == (200, "2")
        assert await engine_io.post("3") == (200, "ok")


async def test_a_session_that_answers_no_ping_is_over(engine_io: Engine) -> None:
    await engine_io.open()
    assert await engine_io.poll() == (200, "2")
    assert (await engine_io.poll()).packets[0] in ("1", "6")
    assert (await engine_io.poll()).status == 400


async def test_a_websocket_that_answers_no_ping_is_closed(engine_io: Engine) -> None:
    async with engine_io.websocket() as socket:
        assert await socket.heard() == "2"
        assert await socket.heard() is None


async def test_a_message_is_no_answer_to_a_ping(engine_io: Engine) -> None:
    async with engine_io.websocket() as socket:
        assert await socket.heard() == "2"
        await socket.send("4there")
        assert await socket.heard() == "4there"
        assert await socket.heard() is None


# ---- the end


async def test_a_close_packet_ends_the_poll_that_waits(any_engine: Engine) -> None:
    await any_engine.open()
    async with any_engine.waiting() as poll:
        assert (await any_engine.post("1")).status == 200
        assert await poll.answer() == (200, "6")
    assert (await any_engine.poll()).status == 400


async def test_a_close_packet_closes_a_websocket(any_engine: Engine) -> None:
    async with any_engine.websocket() as socket:
        await socket.send("1")
        await socket.closed()


# ---- upgrade


async def test_an_upgrade_frees_the_poll_and_nothing_else_comes(engine_io: Engine) -> None:
    await engine_io.open()
    async with engine_io.socket(EIO="4", transport="websocket", sid=engine_io.sid) as socket:
        await socket.send("2probe")
        assert await socket.next() == "3probe"
        assert await engine_io.poll() == (200, "6")
        await socket.send("5", "4hello")
        assert await socket.next() == "4hello"


async def test_a_poll_that_waits_is_freed_by_the_probe(engine_io: Engine) -> None:
    await engine_io.open()
    query = {"EIO": "4", "transport": "websocket", "sid": engine_io.sid}
    async with engine_io.waiting() as poll, engine_io.socket(**query) as socket:
        await socket.send("2probe")
        assert await socket.next() == "3probe"
        assert await poll.answer() == (200, "6")
        await socket.send("5", "4hello", b"\0")
        assert [await socket.next() for _ in range(2)] == ["4hello", b"\0"]


async def test_what_waits_goes_over_to_the_websocket(engine_io: Engine) -> None:
    await engine_io.open()
    await engine_io.post("4one", "bAQIDBA==")
    async with engine_io.socket(EIO="4", transport="websocket", sid=engine_io.sid) as socket:
        await socket.send("2probe")
        assert await socket.next() == "3probe"
        await socket.send("5", "4two")
        assert [await socket.next() for _ in range(3)] == ["4one", b"\1\2\3\4", "4two"]


async def test_a_session_that_was_upgraded_polls_no_more(any_engine: Engine) -> None:
    async with any_engine.upgraded() as socket:
        await socket.send("6")
        assert (await any_engine.poll()).status == 400
        assert (await any_engine.post("4hello")).status == 400
        await socket.send("1")
        await socket.closed()


async def test_a_second_websocket_of_a_session_is_closed(engine_io: Engine) -> None:
    async with engine_io.upgraded() as first:
        query = {"EIO": "4", "transport": "websocket", "sid": engine_io.sid}
        async with engine_io.socket(**query) as second:
            await second.closed()
        await first.send("4hello")
        assert await first.next() == "4hello"


async def test_a_second_probe_is_closed_and_the_first_goes_on(engine_io: Engine) -> None:
    await engine_io.open()
    query = {"EIO": "4", "transport": "websocket", "sid": engine_io.sid}
    async with engine_io.socket(**query) as first, engine_io.socket(**query) as second:
        await second.closed()
        await first.send("2probe")
        assert await first.next() == "3probe"
        await first.send("5", "4hello")
        assert await first.next() == "4hello"


@pytest.mark.parametrize("said", [["5"], ["2other"], ["4hello"], ["2probe", "4hello"], [b"x"]])
async def test_a_probe_that_says_anything_else_is_closed_and_polling_goes_on(
    engine_io: Engine, said: list[str | bytes]
) -> None:
    await engine_io.open()
    query = {"EIO": "4", "transport": "websocket", "sid": engine_io.sid}
    async with engine_io.socket(**query) as probe:
        await probe.send(*said)
        while (heard := await probe.heard()) is not None:
            assert heard == "3probe"
    await engine_io.post("4hello")
    answer = await engine_io.poll()
    while answer.body == "6":  # the server has yet to see that the probe is gone
        answer = await engine_io.poll()
    assert answer == (200, "4hello")
