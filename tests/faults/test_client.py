"""protocol.client: what it is in, it is in again whatever happens, and has missed nothing."""

import asyncio
import socket
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from protocol.battles import Join
from protocol.client import Client, Received
from protocol.errors import Code, Failure
from protocol.gateway import Joined, Verdict
from protocol.players import GetPlayer
from tests.support.battles import easy_battle, strike
from tests.support.client_follower import ClientFollower
from tests.support.follower import Followed
from tests.support.people import Person, connected, registered
from tests.support.relay import Relay
from tests.support.server import Server

WITHIN_S = 20


async def test_a_client_goes_on_where_it_was(own_server: Server) -> None:
    token = (await registered(own_server.url)).tokens.access_token
    seen: list[tuple[str, int | None]] = []
    verdicts: list[Verdict] = []
    changed = asyncio.Event()

    async def give_token() -> str:
        return token

    def on_event(received: Received) -> None:
        seen.append((received.meta.room, received.meta.seq))
        changed.set()

    def on_joined(joined: Joined) -> None:
        verdicts.append(joined.verdict)
        changed.set()

    alice = await connected(own_server.url)
    battle_id = await easy_battle(alice)
    async with Client(own_server.url, give_token, on_event=on_event, on_joined=on_joined) as client:
        first = await client.join(f"battle:{battle_id}")
        await client.send(Join(battle_id=battle_id))
        await own_server.kill()
        await own_server.start()
        again = await Person(own_server.url, alice.logged_in).connect()
        await again.ok("battles.join", battle_id=battle_id)
        struck = await strike(again, battle_id, 1)
        assert struck["ok"]
        last = (await again.ok("battles.get", battle_id=battle_id))["seq"]
        async with asyncio.timeout(WITHIN_S):
            while not seen or seen[-1][1] != last:
                changed.clear()
                await changed.wait()
                last = (await again.ok("battles.get", battle_id=battle_id))["seq"]
        told = [seq for _, seq in seen]
        await again.close()
    await alice.close()
    assert verdicts[0] is Verdict.JOINED
    assert set(verdicts[1:]) <= {Verdict.RESUMED, Verdict.GAP_FILLED}
    assert told == list(range(first.seq + 1, last + 1))


async def test_a_token_that_is_not_accepted_is_a_failure(server: Server) -> None:
    async def give_token() -> str:
        return "nonsense"

    for transport in ("websocket", "polling"):
        with pytest.raises(Failure) as failed:
            await Client(server.url, give_token, transports=(transport,)).connect()
        assert failed.value.error.code is Code.UNAUTHENTICATED


async def test_a_server_that_is_not_there_is_a_connection_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for transport in ("websocket", "polling"):
        with pytest.raises(ConnectionError):
            await Client(
                f"http://127.0.0.1:{port}", service_key="wrk_x", transports=(transport,)
            ).connect()


async def test_a_hole_is_not_stepped_over(server: Server, alice: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    async with ClientFollower(server.url, await registered(server.url), room) as follower:
        followed, link = follower.rooms[room], follower.client._link
        assert link is not None
        heard, lost = link._on_event, []

        def lose_the_first(name: str, data: Any, meta: Any) -> None:
            if lost:
                heard(name, data, meta)
            else:
                lost.append(meta["seq"])

        link._on_event = lose_the_first
        await alice.ok("battles.join", battle_id=battle_id)
        last = (await alice.ok("battles.get", battle_id=battle_id))["seq"]
        await followed.until(followed.reached(last))
        assert lost == [followed.first_seq + 1]
        assert [verdict["verdict"] for verdict in followed.verdicts] == ["joined", "gap_filled"]
        followed.check()


async def test_a_room_that_was_left_tells_nothing_more(server: Server, alice: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    async with ClientFollower(server.url, await registered(server.url)) as follower:
        follower.rooms[room] = Followed(room)
        joining = asyncio.create_task(follower.client.join(room))
        await asyncio.sleep(0)  # it is asked, and not answered
        await follower.client.leave(room)
        await joining
        await alice.ok("battles.join", battle_id=battle_id)
        await follower.client.ask(GetPlayer())
        assert follower.rooms[room].verdicts == []
        assert follower.rooms[room].log == []


async def test_a_room_that_is_no_more_is_told_to_be_gone(own_server: Server) -> None:
    alice = await connected(own_server.url)
    battle_id = await easy_battle(alice)
    await alice.close()
    bob = await registered(own_server.url)
    rooms = (f"battle:{battle_id}", f"player:{bob.user.id}")
    async with ClientFollower(own_server.url, bob, *rooms) as follower:
        await own_server.kill()
        with closing(sqlite3.connect(own_server.data_dir / "warroom.db")) as database:
            database.execute("delete from battles where battle_id = ?", (battle_id,))
            database.execute("delete from room_events where room = ?", (rooms[0],))
            database.commit()
        await own_server.start()
        await follower.rooms[rooms[1]].until_told(2)
        await follower.until(lambda: bool(follower.gone))
        assert [(room, why.code) for room, why in follower.gone] == [(rooms[0], Code.NOT_FOUND)]


async def test_a_server_that_closes_is_left_alone_for_a_while(own_server: Server) -> None:
    async with Relay(own_server.port) as relay:
        loop = asyncio.get_running_loop()
        bob = await registered(relay.url)
        room = f"player:{bob.user.id}"
        async with ClientFollower(relay.url, bob, room) as follower:
            began = loop.time()
            await own_server.stop()
            await own_server.start()
            await follower.rooms[room].until_told(2)
            again = [at for at in relay.begun_at if at > began]
            assert again[0] - began >= 1.0
