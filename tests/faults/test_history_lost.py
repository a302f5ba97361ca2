"""An older copy of the database under a running server: all hear of it, and it goes on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support.battles import easy_battle, strike
from tests.support.engines import execute
from tests.support.follower import Followed, Follower, following
from tests.support.older import keep, put_back
from tests.support.people import Person, connected, registered, turned_away
from tests.support.postgres import Postgres
from tests.support.server import Server
from tests.support.until import until
from tests.support.verified import verified
from tests.support.wire import Transport

pytestmark = pytest.mark.postgres

WITHIN_S = 30
TRANSPORTS: tuple[Transport, ...] = ("websocket", "polling", "plain")
CONNECTED = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and application_name like 'warroom%'"
)


@pytest.fixture
async def url(postgres: Postgres) -> AsyncIterator[str]:
    found = await postgres.database()
    yield found
    await execute(found, "drop schema older_copy cascade")
    await verified(found)


def server_on(url: str, folder: Path) -> Server:
    """A server with few connections."""
    return Server(folder, DATABASE_URL=url, DB_POOL_SIZE="2", SECRET_KEY="of-both-" * 8)


async def seated(server: Server) -> tuple[Person, str]:
    """Somebody who has struck in a battle."""
    alice = await connected(server.url)
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
    return alice, battle_id


async def strikes_again(server: Server, person: Person, battle_id: str) -> Person:
    """The same person over a new connection, with another blow."""
    await person.close()
    async with asyncio.timeout(WITHIN_S):
        while True:
            again = Person(server.url, person.logged_in)
            try:
                await again.connect()
                answer = await strike(again, battle_id, 1, kind="quick")
            except ConnectionError:
                continue
            if answer["ok"]:
                return again
            assert answer["error"]["code"] == "unavailable"
            await again.close()


async def reset(followed: Followed) -> None:
    """The second verdict is that all of the room is new."""
    await followed.until(lambda: len(followed.verdicts) >= 2)
    verdict = followed.verdicts[1]
    assert (verdict["verdict"], verdict["reason"]) == ("reset", "epoch_changed")


async def ready(url: str) -> tuple[int, dict[str, Any]]:
    """What /health/ready says."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/health/ready") as response:
        return response.status, await response.json()


async def until_ready(url: str, status: int) -> dict[str, Any]:
    """Wait until it says so."""
    said: dict[str, Any] = {}

    async def says_so() -> bool:
        nonlocal said
        found, said = await ready(url)
        return found == status

    await until(says_so)
    return said


def events(server: Server, *names: str) -> list[str]:
    """The events of these names in the log, in order."""
    return [line["event"] for line in server.logged() if line["event"] in names]


@pytest.mark.parametrize("idle", [False, True], ids=["under load", "idle"])
async def test_rooms_are_reset_and_the_server_goes_on(url: str, tmp_path: Path, idle: bool) -> None:
    async with server_on(url, tmp_path / "data") as server, AsyncExitStack() as stack:
        process = server.process
        alice, battle_id = await seated(server)
        room = f"battle:{battle_id}"
        await keep(url)
        assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
        followed = []
        for transport in TRANSPORTS:
            logged_in = await registered(server.url)
            follower = Follower(server.url, alice.logged_in, room, transport=transport)
            await stack.enter_async_context(following(follower))
            followed.append(follower.rooms[room])
            await follower.rooms[room].until_told(1)
        await put_back(url)
        if not idle:
            answer = await strike(alice, battle_id, 1, kind="quick")
            assert answer["error"]["code"] == "unavailable"
        async with asyncio.timeout(WITHIN_S):
            await alice.until_event("server.closing")
            await alice.until_closed()
        for each in followed:
            await reset(each)
        gone = Person(server.url, logged_in)  # who registered after the copy is in it no more
        assert (await turned_away(gone))["code"] == "unauthenticated"
        alice = await strikes_again(server, alice, battle_id)
        snapshot = await alice.ok("rooms.join", room=room)
        for each in followed:
            await each.until(each.reached(snapshot["seq"]))
            assert each.faults == []
            assert each.state == followed[0].state
        assert events(server, "history_lost", "reopening") == ["history_lost", "reopening"]
        assert await server.rows(CONNECTED) == [(3,)]  # the writer's and the readers'
        await alice.close()
        assert server.process is process
        await stack.aclose()
        assert await server.stop() == 0


async def test_a_process_hears_of_the_epoch_that_another_has_renewed(
    url: str, tmp_path: Path
) -> None:
    async with (
        server_on(url, tmp_path / "one") as one,
        server_on(url, tmp_path / "two") as two,
    ):
        alice, battle_id = await seated(one)
        room = f"battle:{battle_id}"
        bob = Follower(two.url, alice.logged_in, room)
        async with following(bob):
            await bob.rooms[room].until_told(1)
            await keep(url)
            assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
            await put_back(url)
            await reset(bob.rooms[room])
        alice = await strikes_again(one, alice, battle_id)
        await alice.close()
        for server in (one, two):
            await until_ready(server.url, 200)
        found = [events(server, "history_lost") for server in (one, two)]
        assert all(found)
        epochs = {
            line["epoch"]
            for server in (one, two)
            for line in server.logged()
            if line["event"] == "history_lost"
        }
        assert len(epochs) == 1  # so it was renewed once


@pytest.fixture
async def closed(url: str, tmp_path: Path) -> AsyncIterator[tuple[Server, Person, str]]:
    """A server that has lost history, and can't be opened on what there is: its tables are of
    another version. Somebody who had struck in a battle before."""
    async with server_on(url, tmp_path / "data") as server:
        alice, battle_id = await seated(server)
        await keep(url)
        assert (await strike(alice, battle_id, 1, kind="quick"))["ok"]
        await put_back(url)
        await execute(url, "update alembic_version set version_num = 'new ' || version_num")
        await alice.until_closed()

        async def failed() -> bool:
            return bool(events(server, "reopening_failed"))

        await until(failed)
        yield server, alice, battle_id
        await alice.close()
        assert await server.stop() == 0
    await execute(url, "update alembic_version set version_num = replace(version_num, 'new ', '')")


async def test_it_is_opened_again_once_that_can_be_done(
    closed: tuple[Server, Person, str], url: str
) -> None:
    server, alice, battle_id = closed
    said = await until_ready(server.url, 503)
    assert said == {"status": "unhealthy", "parts": {"database": "unhealthy"}}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/health/live") as response:
            assert response.status == 200
        async with session.post(f"{server.url}/api/auth/login", json={}) as response:
            assert response.status == 503
            assert (await response.json())["error"]["code"] == "unavailable"
            assert "default-src 'none'" in response.headers["content-security-policy"]
        websocket = f"{server.url}/socket.io/?EIO=4&transport=websocket"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(websocket)
        assert refused.value.status == 503
    await execute(url, "update alembic_version set version_num = replace(version_num, 'new ', '')")
    await until_ready(server.url, 200)
    await (await strikes_again(server, alice, battle_id)).close()


async def test_it_ends_while_it_can_not_be_opened(closed: tuple[Server, Person, str]) -> None:
    server, *_ = closed
    assert await server.stop() == 0
