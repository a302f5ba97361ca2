"""The actor of an event, by real clients: the same live and in what was missed."""

import asyncio
from typing import Any

from protocol.auth import Login
from protocol.battles import Join
from protocol.client import Client, Received, log_in
from tests.support.battles import easy_battle, strike
from tests.support.people import PASSWORD, Person, registered
from tests.support.server import Server

WITHIN_S = 10


def metas(person: Person, room: str) -> list[dict[str, Any]]:
    """The metadata of the kept events of a room, as they came."""
    return [meta for _, _, meta in person.events if meta["room"] == room and "seq" in meta]


def actors(person: Person, name: str) -> list[str | None]:
    """The actors of all events of a name."""
    return [meta.get("actor") for event, _, meta in person.events if event == name]


async def test_a_player_is_the_actor_of_what_a_command_sets_off_live_and_after_a_drop(
    server: Server, alice: Person, bob: Person
) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    joined = await alice.ok("rooms.join", room=room)
    await alice.ok("battles.join", battle_id=battle_id)
    await bob.ok("rooms.join", room=room)
    await bob.ok("battles.join", battle_id=battle_id)
    await strike(bob, battle_id, 1, kind="quick")
    await alice.until_event("battles.struck")
    for name in ("player_joined", "started", "wave_started"):
        assert actors(alice, f"battles.{name}")[0] == f"user:{alice.id}"
    assert actors(alice, "battles.player_joined") == [f"user:{alice.id}", f"user:{bob.id}"]
    assert actors(alice, "battles.struck") == [f"user:{bob.id}"]

    later = await Person(server.url, alice.logged_in).connect()
    since = {"epoch": joined["epoch"], "seq": joined["seq"]}
    verdict = await later.ok("rooms.join", room=room, since=since)
    assert verdict["verdict"] == "gap_filled"
    await later.until(lambda: len(metas(later, room)) >= verdict["missed"])
    live = metas(alice, room)
    assert metas(later, room)[: len(live)] == live
    await later.close()


async def test_no_actor_stands_beside_what_is_not_kept(server: Server, alice: Person) -> None:
    await easy_battle(alice)
    await alice.ok("rooms.join", room=f"player:{alice.id}")
    await alice.ok("rooms.join", room="players")
    newcomer = await Person(server.url, await registered(server.url)).connect()
    await alice.until_event("players.counted")
    await newcomer.close()
    assert all("actor" not in meta for _, _, meta in alice.events if "seq" not in meta)


async def test_an_admin_and_the_command_line_are_named_to_those_who_administer(
    server: Server, admin: Person
) -> None:
    somebody = await registered(server.url)
    name, room = somebody.user.username, f"user:{somebody.user.id}"
    await admin.ok("rooms.join", room=room)
    await admin.ok("users.update", user_id=somebody.user.id, email=f"{name}@example.org")
    await admin.until_event("users.changed")
    await server.command("user", "disable", name)
    # Another process told it: this one hears of it with the next event, and fills the hole.
    await admin.ok("users.enable", user_id=somebody.user.id)
    by_admin = f"user:{admin.id}"
    await admin.until(lambda: len(actors(admin, "users.changed")) == 3)
    assert actors(admin, "users.changed") == [by_admin, "server:cli", by_admin]


async def test_players_are_not_shown_who_deleted_a_user(
    server: Server, admin: Person, alice: Person
) -> None:
    made = await admin.ok("users.create", username=f"x{alice.id[-12:]}", password=PASSWORD)
    logged_in = await log_in(server.url, Login(made["username"], PASSWORD))
    gone = await Person(server.url, logged_in).connect()
    battle_id = await easy_battle(alice)
    await alice.ok("rooms.join", room=f"battle:{battle_id}")
    await alice.ok("rooms.join", room=f"listing:{battle_id}")
    await gone.ok("battles.join", battle_id=battle_id)
    await admin.ok("rooms.join", room=f"user:{made['user_id']}")
    await admin.ok("users.delete", user_id=made["user_id"])
    await admin.until_event("users.deleted")
    await alice.until_event("battles.player_left")
    assert actors(admin, "users.deleted") == [f"user:{admin.id}"]
    assert actors(alice, "battles.player_left") == ["server:battles"]
    assert f"user:{admin.id}" not in {meta.get("actor") for _, _, meta in alice.events}
    await gone.close()


async def test_the_client_library_gives_the_actor(server: Server, alice: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    somebody = await registered(server.url)
    heard: list[Received] = []
    told = asyncio.Event()

    def hear(received: Received) -> None:
        heard.append(received)
        if received.name == "battles.player_joined":
            told.set()

    async def token() -> str:
        return somebody.tokens.access_token

    async with Client(server.url, token, on_event=hear) as client:
        await client.join(room)
        await client.send(Join(battle_id=battle_id))
        async with asyncio.timeout(WITHIN_S):
            await told.wait()
    joined = next(one for one in heard if one.name == "battles.player_joined")
    assert joined.meta.actor == f"user:{somebody.user.id}"
