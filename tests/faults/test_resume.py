"""Cut off while much happens, without either end being told: back, and nothing was missed."""

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path

import pytest

from protocol.ids import uuid7
from tests.support.battles import easy_battle, strike
from tests.support.client_follower import ClientFollower
from tests.support.crowd import Crowd
from tests.support.folds import lasting
from tests.support.follower import Followed, Follower, following
from tests.support.people import Person, connected, registered
from tests.support.relay import Relay
from tests.support.server import Server
from tests.support.wire import Transport

CUT_S = 30
KILLED_AFTER_S = 15
MISSED = 500
WITHIN_S = 6
PEOPLE = 5
PACE_S = 0.15
PINGS = {"PING_INTERVAL_MS": "5000", "PING_TIMEOUT_MS": "4000"}
"""So that the cut is longer than it takes both ends to notice, as 30 s are not by default."""

TRANSPORTS: tuple[Transport, ...] = ("websocket", "polling", "plain")
"""The last is not what protocol.client speaks."""


@asynccontextmanager
async def cut_off(server: Server, room: str) -> AsyncIterator[list[tuple[Followed, Relay]]]:
    """Clients of every kind in a room, each behind a relay of its own."""
    async with AsyncExitStack() as stack:
        found: list[tuple[Followed, Relay]] = []
        for transport in TRANSPORTS:
            relay = await stack.enter_async_context(Relay(server.port))
            raw = Follower(relay.url, await registered(server.url), room, transport=transport)
            await stack.enter_async_context(following(raw))
            found.append((raw.rooms[room], relay))
            if transport == "plain":
                continue
            relay = await stack.enter_async_context(Relay(server.port))
            client = ClientFollower(
                relay.url, await registered(server.url), room, transport=transport
            )
            await stack.enter_async_context(client)
            found.append((client.rooms[room], relay))
        yield found


async def again(person: Person, battle_id: str) -> Person:
    """The same person at a server that has started anew, with a seat and a blow."""
    await person.close()
    person = await Person(person.url, person.logged_in).connect()
    await person.ok("battles.join", battle_id=battle_id)
    assert (await strike(person, battle_id, 1, kind="quick"))["ok"]
    return person


async def check_cut(server: Server, *, kill: bool) -> None:
    alice = await connected(server.url)
    battle_id = await easy_battle(alice)
    await alice.close()
    room, loop = f"battle:{battle_id}", asyncio.get_running_loop()
    async with (
        cut_off(server, room) as clients,
        Crowd(server, battle_id, PEOPLE, PACE_S) as crowd,
    ):
        for _, relay in clients:
            relay.cut()
        cut_at = loop.time()
        if kill:
            await asyncio.sleep(KILLED_AFTER_S)
            await server.kill()
            await server.start()
        await asyncio.sleep(cut_at + CUT_S - loop.time())
        before = [len(followed.verdicts) for followed, _ in clients]
        assert before == [1] * len(clients)
        healed_at = loop.time()
        for _, relay in clients:
            relay.heal()
        for followed, relay in clients:
            verdict = await followed.until_told(2)
            assert verdict["verdict"] == "gap_filled"
            assert verdict["missed"] >= MISSED
            reconnected_at = min(at for at in relay.begun_at if at >= healed_at)
            assert followed.at[verdict["seq"]] - reconnected_at <= WITHIN_S
            await followed.until(followed.reached(verdict["seq"] + 1))
        await crowd.end()
        # What happened while they came back is there too, once and in order.
        last = max(followed.seq for followed, _ in clients)
        for followed, _ in clients:
            await followed.until(followed.reached(last))
            followed.check()


@pytest.mark.slow
async def test_thirty_seconds_without_a_network(tmp_path: Path) -> None:
    async with (
        Server(tmp_path / "runs on", **PINGS) as steady,
        Server(tmp_path / "is killed", **PINGS) as killed,
        asyncio.TaskGroup() as at_once,
    ):
        at_once.create_task(check_cut(steady, kill=False))
        at_once.create_task(check_cut(killed, kill=True))


async def test_a_connection_that_the_server_still_holds_is_no_hindrance(own_server: Server) -> None:
    alice = await connected(own_server.url)
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    async with cut_off(own_server, f"battle:{battle_id}") as clients:
        for followed, relay in clients:
            relay.sever_clients()
            await strike(alice, battle_id, 1, kind="quick")
            await followed.until_told(2)
            await strike(alice, battle_id, 1, kind="quick")
        last = (await alice.ok("battles.get", battle_id=battle_id))["seq"]
        for followed, _ in clients:
            await followed.until(followed.reached(last))
            followed.check()
    await alice.close()


async def test_more_than_may_wait_for_a_client_does_not_have_it_let_go(tmp_path: Path) -> None:
    async with Server(tmp_path / "data", OUTBOX_LIMIT_BYTES="65536") as server:
        alice = await connected(server.url)
        battle_id = await easy_battle(alice)
        async with cut_off(server, f"battle:{battle_id}") as clients:
            for _, relay in clients:
                relay.cut()
            async with Crowd(server, battle_id, PEOPLE, 0.05):
                watched = Follower(server.url, await registered(server.url), f"battle:{battle_id}")
                async with following(watched):
                    await watched.until(watched.rooms[f"battle:{battle_id}"].reached(200))
            for followed, relay in clients:
                relay.heal()
                relay.sever()
                verdict = await followed.until_told(2)
                assert (verdict["verdict"], verdict["reason"]) == ("reset", "gap_too_large")
            await alice.ok("battles.join", battle_id=battle_id)
            last = (await alice.ok("battles.get", battle_id=battle_id))["seq"]
            for followed, _ in clients:
                await followed.until(followed.reached(last))
                followed.check()
                assert len(followed.verdicts) == 2
        await alice.close()


async def end(server: Server) -> Path:
    """Kill a server. Returns its database, as one file."""
    await server.kill()
    file = server.data_dir / "warroom.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("pragma wal_checkpoint(truncate)")
    return file


async def test_another_database_in_its_place(own_server: Server) -> None:
    server = own_server
    alice = await connected(server.url)
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    async with cut_off(server, room) as clients:
        file = await end(server)
        older = file.with_suffix(".older")
        shutil.copy(file, older)
        await server.start()
        alice = await again(alice, battle_id)
        last = (await alice.ok("battles.get", battle_id=battle_id))["seq"]
        for followed, _ in clients:
            await followed.until(followed.reached(last))

        shutil.move(older, await end(server))
        await server.start()
        for followed, _ in clients:
            await followed.until(lambda f=followed: f.verdicts[-1].get("reason") == "ahead")

        with closing(sqlite3.connect(await end(server))) as connection:
            connection.execute("update facts set value = ? where name = 'epoch'", (uuid7(),))
            connection.commit()
        await server.start()
        alice = await again(alice, battle_id)
        expected = await alice.ok("rooms.join", room=room)
        for followed, _ in clients:
            await followed.until(lambda f=followed: f.verdicts[-1].get("reason") == "epoch_changed")
            await followed.until(followed.reached(expected["seq"]))
            followed.check()
            assert followed.states[expected["seq"]] == lasting(room, expected["snapshot"])
    await alice.close()
