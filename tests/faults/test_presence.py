"""Who is away from a battle, as others are told: over several connections, drops and kills."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.support.battles import easy_battle
from tests.support.folds import lasting
from tests.support.follower import Followed, Follower, following
from tests.support.outside import until
from tests.support.people import Person, connected, registered
from tests.support.relay import Relay
from tests.support.server import Server

PINGS = {"PING_INTERVAL_MS": "1000", "PING_TIMEOUT_MS": "1000"}
"""So that a connection without a network is soon found dead."""

MOVES = ("battles.player_away", "battles.player_returned")


def moves(followed: Followed) -> list[tuple[str, str]]:
    """Who went away and who came back, as it was told."""
    return [(told.name, told.data["player_id"]) for told in followed.log if told.name in MOVES]


async def test_a_player_is_away_after_the_last_connection_and_a_drop_is_no_absence(
    tmp_path: Path,
) -> None:
    async with Server(tmp_path / "data", **PINGS) as server, Relay(server.port) as relay:
        alice = await connected(server.url)
        battle_id = await easy_battle(alice)
        room = f"battle:{battle_id}"
        await alice.ok("battles.join", battle_id=battle_id)
        logged_in = alice.logged_in
        async with following(Follower(server.url, await registered(server.url), room)) as bob:
            watched = bob.rooms[room]
            # A second connection; the first one ends.
            second = await Person(relay.url, logged_in).connect()
            await alice.close()
            # The second one's network goes, and is back before the server finds out.
            relay.sever_clients()
            third = await Person(relay.url, logged_in).connect()
            await until(noted_gone(server, 2), 20)
            assert moves(watched) == []
            # The last one ends; and so it goes on.
            for times in (1, 2):
                await third.close()
                await watched.until(lambda n=2 * times - 1: len(moves(watched)) == n)
                third = await Person(server.url, logged_in).connect()
                await watched.until(lambda n=2 * times: len(moves(watched)) == n)
            assert moves(watched) == [(name, alice.id) for _ in range(2) for name in MOVES]
            await third.close()
            await second.close()
            watched.check()


def noted_gone(server: Server, connections: int) -> Callable[[], Awaitable[bool]]:
    """Whether the server has noted the end of so many connections in its log."""

    async def look() -> bool:
        return server.log.read_text().count('"event":"disconnected"') >= connections

    return look


async def test_after_a_kill_all_are_away_until_they_are_back(own_server: Server) -> None:
    server = own_server
    alice = await connected(server.url)
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    ben = await connected(server.url)
    for person in (alice, ben):
        await person.ok("battles.join", battle_id=battle_id)
    async with following(Follower(server.url, await registered(server.url), room)) as bob:
        watched = bob.rooms[room]
        for end in (server.kill, server.stop):
            await end()
            await server.start()
            await watched.until(
                lambda: (
                    [name for name, who in moves(watched) if who == alice.id][-1:]
                    == ["battles.player_away"]
                )
            )
            back = await Person(server.url, alice.logged_in).connect()
            await watched.until(
                lambda: moves(watched)[-1:] == [("battles.player_returned", alice.id)]
            )
            expected = await back.ok("rooms.join", room=room)
            await watched.until(watched.reached(expected["seq"]))
            seats = expected["snapshot"]["seats"]
            assert seats[alice.id]["away_at"] is None
            assert seats[ben.id]["away_at"] is not None
            assert lasting(room, watched.states[expected["seq"]]) == expected["snapshot"]
            await back.close()
        watched.check()
        assert {verdict["verdict"] for verdict in watched.verdicts[1:]} <= {"gap_filled", "resumed"}
    for person in (alice, ben):
        await person.close()
