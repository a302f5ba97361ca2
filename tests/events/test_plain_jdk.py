"""`/ws` by the WebSocket client of the JDK: order kept, nothing lost, large messages right."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.battles import easy_battle
from tests.support.jdk import jdk_client
from tests.support.people import Person, connected, registered
from tests.support.server import Server

COMES_AND_GOES = 25
LARGE = "ä🐉x" * 75_000
"""300,000 characters as Java counts them, and 525,000 bytes."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def loud(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that tells what it is told to."""
    async with Server(tmp_path_factory.mktemp("loud"), "tests.support.loud_server") as started:
        yield started


async def come_and_go(person: Person, battle_id: str) -> None:
    """Take a seat and give it up, again and again: an event each time."""
    for _ in range(COMES_AND_GOES):
        await person.ok("battles.join", battle_id=battle_id)
        await person.ok("battles.leave", battle_id=battle_id)


async def test_the_jdks_client_gets_all_of_it_in_order(loud: Server) -> None:
    alice = await connected(loud.url)
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    token = (await registered(loud.url)).tokens.access_token
    async with jdk_client(f"{loud.url}/ws/battle/{battle_id}", token) as client:
        joined = (await client.next())["data"]
        assert (joined["room"], joined["verdict"]) == (room, "joined")
        moving = asyncio.create_task(come_and_go(alice, battle_id))
        answers, told = [], []
        for ident in range(1, 2 * COMES_AND_GOES):
            client.send({"id": ident, "type": "rooms.leave", "data": {"room": "nothing"}})
        for said in await client.until_answered(2 * COMES_AND_GOES - 1):
            (told if "type" in said else answers).append(said)
        await moving
        last = (await alice.ok("rooms.join", room=room))["seq"]
        while (told[-1]["seq"] if told else joined["seq"]) < last:
            told.append(await client.next())
        assert [said["id"] for said in answers] == list(range(1, 2 * COMES_AND_GOES))
        assert [said["seq"] for said in told] == list(range(joined["seq"] + 1, last + 1))
        assert {(said["room"], said["epoch"]) for said in told} == {(room, joined["epoch"])}
        assert await client.close() == "1000"
    await alice.close()


async def test_the_jdks_client_sends_and_gets_what_is_large_whole_and_in_parts(
    loud: Server,
) -> None:
    logged_in = await registered(loud.url)
    async with jdk_client(f"{loud.url}/ws", logged_in.tokens.access_token) as client:
        room = f"player:{logged_in.user.id}"
        client.send({"id": 1, "type": "rooms.join", "data": {"room": room}})
        assert (await client.next())["ok"]
        for ident, frame_size in ((2, None), (3, 1001)):
            shout = {"size": 300_000, "mark": LARGE, "player_id": logged_in.user.id}
            message = {"id": ident, "type": "tests.shout", "data": shout}
            client.send(message, frame_size=frame_size)
            *told, answer = await client.until_answered(ident)
            assert answer == {"id": ident, "ok": True, "data": {}}
            (shouted,) = [said for said in told if said["type"] == "tests.shouted"]
            assert shouted["room"] == room
            assert shouted["data"]["mark"] == LARGE
            assert shouted["data"]["text"] == "x" * 300_000
        assert await client.close() == "1000"


async def test_the_jdks_client_is_told_why_it_is_let_go(loud: Server) -> None:
    logged_in = await registered(loud.url)
    async with jdk_client(f"{loud.url}/ws", logged_in.tokens.access_token) as client:
        client.send({"id": 1, "type": "players.get"})
        assert (await client.next())["ok"]
        await loud.command("user", "disable", logged_in.user.username)
        said = await client.next()
        assert (said["type"], said["data"]) == ("auth.expired", {"reason": "disabled"})
        assert (await client.until_closed()).startswith("1008")
