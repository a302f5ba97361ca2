"""The end of a server: clean, with 0, and within 10 seconds, whatever clients do."""

import asyncio
import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.ids import uuid7
from tests.support.outside import catches, until
from tests.support.people import PASSWORD, registered
from tests.support.server import Server
from tests.support.wire import Wire

ENDS_WITHIN_S = 10
TINY = 4096
"""A receive buffer that fills at once."""
UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: warroom\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
LOG_IN = "POST /api/auth/login HTTP/1.1\r\nHost: warroom\r\nContent-Length: 100\r\n\r\n"
POLL = "/socket.io/?EIO=4&transport=polling"


@asynccontextmanager
async def ending(
    server: Server, number: signal.Signals = signal.SIGTERM
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Send a signal. After what is done meanwhile the server must have ended, cleanly, in time."""
    process, server.process = server.process, None
    assert process is not None
    process.send_signal(number)
    sent = time.monotonic()
    try:
        yield process
        async with asyncio.timeout(3 * ENDS_WITHIN_S):
            await process.communicate()
    except BaseException:
        process.kill()
        await process.communicate()
        raise
    assert process.returncode == 0
    assert time.monotonic() - sent <= ENDS_WITHIN_S
    log = server.log.read_text()
    assert "Traceback" not in log


class Company:
    """Whoever is connected in a test. All are dropped at its end."""

    def __init__(self) -> None:
        self.people: list[Wire] = []

    async def person(self, server: Server, receive_buffer: int | None = None) -> Wire:
        """Somebody new who is connected."""
        token = (await registered(server.url)).tokens.access_token
        return await self.connect(server, token, receive_buffer)

    async def connect(self, server: Server, token: str, receive_buffer: int | None = None) -> Wire:
        """Somebody who is connected."""
        person = await Wire.connect(server.url, token=token, receive_buffer=receive_buffer)
        self.people.append(person)
        return person


@pytest.fixture
async def company() -> AsyncIterator[Company]:
    """Nobody yet."""
    company = Company()
    yield company
    for person in company.people:
        await person.drop()


async def session(http: aiohttp.ClientSession) -> str:
    """A session of polling that nobody has logged in to."""
    async with http.get(POLL) as answer:
        return str(json.loads((await answer.text())[1:])["sid"])


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        ("", False),
        ("GET /health HTTP/1.1\r\nHo", False),
        ("GET /health/live HTTP/1.1\r\nHost: warroom\r\n\r\n", True),
        (LOG_IN, False),
        (LOG_IN + '{"username": "ad', False),
        (f"POST {POLL}&sid={{sid}} HTTP/1.1\r\nHost: w\r\nContent-Length: 9\r\n\r\n42[", False),
        (UPGRADE[:-4], False),
        (UPGRADE, True),
        (UPGRADE.replace("=websocket ", "=websocket&sid={sid} "), True),
    ],
    ids=[
        "nothing",
        "half a request",
        "a request, and the connection kept",
        "a request without its body",
        "a request with half of its body",
        "half a message of polling",
        "half a WebSocket handshake",
        "a WebSocket of nobody",
        "half an upgrade",
    ],
)
async def test_connections_that_are_at_something(
    own_server: Server, sent: str, answers: bool
) -> None:
    async with aiohttp.ClientSession(own_server.url) as http:
        sid = await session(http)
    reader, writer = await asyncio.open_connection("127.0.0.1", own_server.port)
    try:
        writer.write(sent.replace("{sid}", sid).encode())
        if answers:
            assert (await reader.read(1)) == b"H"
        async with ending(own_server):
            pass
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)  # it was cut off


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_poll_that_waits_is_answered(own_server: Server, number: signal.Signals) -> None:
    token = (await registered(own_server.url)).tokens.access_token
    async with aiohttp.ClientSession(own_server.url) as http:
        query = f"{POLL}&sid={await session(http)}"
        async with http.post(query, data=f'40{{"token":"{token}"}}') as sent:
            assert sent.status == 200
        async with http.get(query) as opened:
            assert (await opened.text()).startswith("40{")

        async def poll() -> str:
            async with http.get(query) as answer:
                assert answer.status == 200
                return await answer.text()

        polling = asyncio.create_task(poll())
        # A connection that is opened after the poll was sent is answered after it has come.
        async with aiohttp.ClientSession(own_server.url) as later, later.get("/health/live"):
            pass
        async with ending(own_server, number):
            assert "server.closing" in await polling


async def test_log_ins_that_wait_are_told(tmp_path: Path) -> None:
    server = await Server(tmp_path / "data", PASSWORD_HASH_COST="13").start()
    async with aiohttp.ClientSession(server.url) as http:

        async def register(number: int) -> int:
            body = {"username": f"somebody{number}", "password": PASSWORD}
            async with http.post("/api/auth/register", json=body) as answer:
                if answer.status == 503:
                    assert (await answer.json())["error"]["code"] == "unavailable"
                return answer.status

        tasks = [asyncio.create_task(register(number)) for number in range(10)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        async with ending(server):
            statuses = await asyncio.gather(*tasks)
    assert set(statuses) == {201, 503}


async def test_a_client_that_never_reads_while_much_waits_to_be_written(
    tmp_path: Path, company: Company
) -> None:
    settings = {"OUTBOX_LIMIT_BYTES": "8388608", "OUTBOX_STALL_S": "600"}
    server = await Server(tmp_path / "data", "tests.support.loud_server", **settings).start()
    stuck, speaker = await company.person(server, TINY), await company.person(server)
    await stuck.ok("rooms.join", room="battles")
    stuck.stop_reading()
    for _ in range(5):
        await speaker.ok("tests.shout", size=100_000, times=10)
    answers = [speaker.ask("tests.shout", size=1000, times=10) for _ in range(30)]
    await answers[0]
    async with ending(server):
        await speaker.until_closed()
        told = await asyncio.gather(*answers, return_exceptions=True)
    for answer in told:
        if isinstance(answer, BaseException):
            assert isinstance(answer, ConnectionError), "it was not read any more"
        else:
            assert answer["ok"] or answer["error"]["code"] == "unavailable"
    assert speaker.named("server.closing")


async def test_signals_that_come_again_change_nothing(own_server: Server, company: Company) -> None:
    stuck, witness = await company.person(own_server, TINY), await company.person(own_server)
    stuck.stop_reading()  # so that the end takes its time
    async with ending(own_server) as process:
        await witness.until(lambda: witness.named("server.closing"))
        process.send_signal(signal.SIGTERM)
        await witness.until_closed()
        process.send_signal(signal.SIGINT)

        async def ended() -> bool:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            return process.returncode is not None

        await until(ended, ENDS_WITHIN_S)


async def test_readiness_ends_before_clients_are_told(own_server: Server, company: Company) -> None:
    stuck, witness = await company.person(own_server, TINY), await company.person(own_server)
    stuck.stop_reading()
    asked: list[tuple[float, int]] = []
    some = asyncio.Event()
    async with aiohttp.ClientSession(own_server.url) as http:

        async def ask() -> None:
            while True:
                at = time.monotonic()
                async with http.get("/health/ready") as answer:
                    asked.append((at, answer.status))
                some.set()

        asking = asyncio.create_task(ask())
        await some.wait()
        async with ending(own_server):
            await witness.until(lambda: witness.named("server.closing"))
            told = time.monotonic()
            with pytest.raises(aiohttp.ClientError):
                await asking
    statuses = [status for _, status in asked]
    assert statuses == sorted(statuses)
    assert set(statuses) == {200, 503}
    assert not [at for at, status in asked if at > told and status == 200]


async def starting(server: Server) -> asyncio.subprocess.Process:
    """A server that does not listen yet."""
    start = asyncio.create_task(server.start())

    async def there() -> bool:
        return server.process is not None

    await until(there, ENDS_WITHIN_S)
    start.cancel()
    assert server.process is not None
    return server.process


async def test_a_signal_while_it_imports(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    process = await starting(server)

    async def catching() -> bool:
        return catches(process.pid, signal.SIGTERM)

    await until(catching, ENDS_WITHIN_S)
    async with ending(server):
        output, _ = await process.communicate()
    assert b"Warroom" not in output
    assert not (tmp_path / "data" / "secret_key").exists()


async def test_a_signal_while_it_starts(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", PASSWORD_HASH_COST="13")
    process = await starting(server)

    async def begun() -> bool:
        return (tmp_path / "data" / "secret_key").exists()

    await until(begun, 3 * ENDS_WITHIN_S)
    async with ending(server):
        output, _ = await process.communicate()
    assert b"Warroom" not in output


FIGHTERS = 500
SEATS = 10
STRIKES = 10


class Fighter:
    """Somebody with a seat in a battle, who strikes without waiting."""

    def __init__(self, person: Wire, battle_id: str) -> None:
        self.person = person
        self.battle_id = battle_id
        self.acked: list[str] = []

    def strike(self, enemies: list[int], on_ack: Callable[[], None]) -> None:
        """Send many strikes."""
        for number in range(STRIKES):
            request_id = uuid7()
            answer = self.person.ask(
                "battles.attack",
                battle_id=self.battle_id,
                enemy_id=enemies[number % len(enemies)],
                kind="quick",
                request_id=request_id,
            )
            answer.add_done_callback(partial(self._answered, request_id, on_ack))

    def _answered(
        self, request_id: str, on_ack: Callable[[], None], answer: "asyncio.Future[dict[str, Any]]"
    ) -> None:
        if answer.exception() is None and answer.result()["ok"]:
            self.acked.append(request_id)
            on_ack()


async def seated(server: Server, company: Company) -> list[Fighter]:
    """Many people in battles, all of whom hear all that happens in theirs."""
    tokens: list[str] = []

    async def register() -> None:
        while len(tokens) < FIGHTERS:
            tokens.append((await registered(server.url)).tokens.access_token)

    await asyncio.gather(*(register() for _ in range(8)))
    fighters: list[Fighter] = []
    for first in range(0, FIGHTERS, SEATS):
        people = [await company.connect(server, token) for token in tokens[first : first + SEATS]]
        battle_id = None
        while battle_id is None:  # one that was taken is replaced in a moment
            offered = await people[0].ok("battles.list", status="waiting")
            easy = (b["battle_id"] for b in offered["items"] if b["required_level"] == 1)
            battle_id = next(easy, None)
        for person in people:
            await person.ok("rooms.join", room=f"battle:{battle_id}")
            await person.ok("battles.join", battle_id=battle_id)
            fighters.append(Fighter(person, battle_id))
    return fighters


@pytest.mark.slow
async def test_500_clients_with_strikes_under_way(own_server: Server, company: Company) -> None:
    fighters = await seated(own_server, company)
    enemies = {}
    for fighter in fighters[::SEATS]:
        battle = await fighter.person.ok("battles.get", battle_id=fighter.battle_id)
        enemies[fighter.battle_id] = [enemy["enemy_id"] for enemy in battle["enemies"]]
    acks, enough = 0, asyncio.Event()

    def count() -> None:
        nonlocal acks
        acks += 1
        if acks == FIGHTERS:
            enough.set()

    for fighter in fighters:
        fighter.strike(enemies[fighter.battle_id], count)
    await enough.wait()
    async with ending(own_server):
        for fighter in fighters:
            await fighter.person.until_closed()
    for fighter in fighters:
        assert fighter.person.named("server.closing")
    await own_server.start()
    assert FIGHTERS <= acks < FIGHTERS * STRIKES, "they were all through already"
    with closing(sqlite3.connect(own_server.data_dir / "warroom.db")) as database:
        kept = Counter(
            request_id
            for (request_id,) in database.execute(
                "select request_id from room_events where name = 'battles.struck'"
            )
        )
    acked = [request_id for fighter in fighters for request_id in fighter.acked]
    assert len(acked) == acks
    assert {kept[request_id] for request_id in acked} == {1}
