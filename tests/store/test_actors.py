"""The actor of each kept event, on a real database: stored with it, and told as it is stored."""

from pathlib import Path
from typing import Any

import pytest

from protocol import actors
from protocol.battles import Difficulty, battle_room
from protocol.ids import uuid7
from protocol.permissions import Role
from protocol.users import user_room
from server.app import App, opened
from server.auth import Accounts, Auth
from server.battles import Battles, BattleService
from server.config import Settings
from server.database import Request, Work
from server.database.history import after
from server.gateway.rooms import HOLE_S
from tests.store.bench import AT, Bench, claimed, listed
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines, rows
from tests.support.folds import Told as Heard
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres
from tests.support.verified import NO_ADMIN, verified

pytestmark = on_both_engines

ALICE = actors.user("alice")


class World:
    """Servers in this process, one after the other or side by side, on the same data."""

    def __init__(self, folder: Path, url: str) -> None:
        self.settings = Settings(data_dir=folder, database_url=url, password_hash_cost=4)
        self.url = url
        self.clock = ManualClock()

    def server(self) -> Any:
        """One more server."""
        return opened(self.settings, self.clock)

    async def stored(self, room: str) -> list[tuple[Any, ...]]:
        """The numbers, names and actors of a room's events, as they are stored."""
        found = await rows(self.url, "select room, seq, name, actor from room_events order by seq")
        return [(seq, name, actor) for its, seq, name, actor in found if its == room]


@pytest.fixture
async def world(tmp_path: Path, engine: str, postgres: Postgres | None) -> World:
    return World(tmp_path, await database(engine, postgres, tmp_path / "warroom.db"))


def told(ear: Ear, room: str) -> list[tuple[Any, ...]]:
    """The same of what a connection heard."""
    return [
        (one.meta["seq"], one.name, one.meta.get("actor"))
        for one in ear.heard
        if isinstance(one, Heard) and one.meta["room"] == room and "seq" in one.meta
    ]


async def somebody(app: App, name: str, role: Role = Role.PLAYER) -> Ear:
    """A connection of somebody new."""
    logged_in = await app.service(Auth).add(name, PASSWORD, role)
    return await Ear(
        app, await app.gateway.authenticate({"token": logged_in.tokens.access_token})
    ).open()


def easy(app: App) -> str:
    """A battle that anybody may join."""
    waiting = app.service(Battles).pool.waiting
    return next(key for key, line in waiting.items() if line.difficulty is Difficulty.EASY)


async def test_a_battle_s_actors_outlive_a_restart_and_are_the_same_in_another_process(
    world: World,
) -> None:
    async with world.server() as app, world.server() as beside:
        await app.start()
        alice, bob = await somebody(app, "alice"), await somebody(app, "bob")
        battle_id = easy(app)
        room = battle_room(battle_id)
        joined = await alice.ok("rooms.join", room=room)
        await alice.ok("battles.join", battle_id=battle_id)
        await bob.ok("battles.join", battle_id=battle_id)
        await bob.ok("battles.attack", battle_id=battle_id, enemy_id=1, request_id=uuid7())
        world.clock.advance(10)
        await BattleService(app.service(Battles), app.gateway, world.clock).tick()
        live = told(alice, room)
        by = {name: actor for _, name, actor in live}
        assert by["battles.struck"] == f"user:{bob.identity.id}"
        assert by["battles.enemies_struck"] == "server:battles"
        assert [actor for _, name, actor in live if name == "battles.player_joined"] == [
            f"user:{alice.identity.id}",
            f"user:{bob.identity.id}",
        ]
        assert await world.stored(room) == [(1, "battles.created", "server:battles"), *live]
        since = {"epoch": joined["epoch"], "seq": joined["seq"]}
        elsewhere = await Ear(beside, player(alice.identity.id)).open()
        await elsewhere.ok("rooms.join", room=room, since=since)
        assert told(elsewhere, room) == live
        for ear in (alice, bob, elsewhere):
            await ear.gone()
    async with world.server() as app:
        again = await Ear(app, player(alice.identity.id)).open()
        verdict = await again.ok("rooms.join", room=room, since=since)
        assert verdict["verdict"] == "gap_filled"
        assert told(again, room)[: len(live)] == live
        await again.gone()
    await verified(world.url, NO_ADMIN)


async def test_what_is_missed_live_is_filled_with_its_actor(world: World) -> None:
    """What another process told is found in the history, as there is nothing else to find it in."""
    async with world.server() as app, world.server() as beside:
        boss = await somebody(app, "boss", Role.ADMIN)
        ann = (await app.service(Auth).add("ann", PASSWORD, Role.PLAYER)).user.id
        room = user_room(ann)
        await boss.ok("rooms.join", room=room)
        await beside.service(Accounts).set_role("ann", Role.VIEWER)
        await boss.ok("users.update", user_id=ann, email="ann@example.org")
        await world.clock.asleep()  # until the hole is looked at
        world.clock.advance(HOLE_S)
        await boss.until(lambda: len(told(boss, room)) == 2)
        by_cli = (1, "users.changed", "server:cli")
        by_boss = (2, "users.changed", f"user:{boss.identity.id}")
        assert told(boss, room) == [by_cli, by_boss] == await world.stored(room)
        acts = await rows(
            world.url, "select actor, actor_name, action from audit order by actor_name desc"
        )
        # The same two in the audit log: it has no id where there is none.
        assert acts == [
            (None, "command line", "users.update"),
            (boss.identity.id, "boss", "users.update"),
        ]


async def test_players_are_not_shown_who_acts_on_others(world: World) -> None:
    async with world.server() as app:
        await app.start()
        boss, ann = await somebody(app, "boss", Role.ADMIN), await somebody(app, "ann")
        bob, eve = await somebody(app, "bob"), await somebody(app, "eve")
        battle_id = easy(app)
        room = battle_room(battle_id)
        for each in (ann, bob, eve):
            await each.ok("battles.join", battle_id=battle_id)
        await bob.ok("rooms.join", room=room)
        await boss.ok("rooms.join", room=user_room(ann.identity.id))
        await boss.ok("users.delete", user_id=ann.identity.id)
        await app.service(Accounts).delete("eve")
        left = [actor for _, name, actor in told(bob, room) if name == "battles.player_left"]
        assert left == ["server:battles"] * 2
        assert told(boss, user_room(ann.identity.id))[-1][2] == f"user:{boss.identity.id}"
        # Nor is it in what is stored of the battle: it would be told to those who resume.
        stored = {actor for *_, actor in await world.stored(room)}
        assert stored.isdisjoint({f"user:{boss.identity.id}", "server:cli"})


# ---- units of work


async def test_each_event_of_a_unit_has_its_actor_wherever_its_number_comes_from(
    bench: Bench,
) -> None:
    work = Work(AT, actor=ALICE)
    work.publish(claimed("b"), seq=1)
    work.publish(claimed("b"), seq=2)
    work.publish(listed())
    await bench.submit(work, Request(("alice", "r"), "digest"))
    by_itself = Work(AT)
    by_itself.publish(claimed("b"), seq=3)
    await bench.submit(by_itself)
    published = [(event.name, event.actor) for event, _ in bench.published]
    assert published == [
        ("battles.reward_claimed", ALICE),
        ("battles.reward_claimed", ALICE),
        ("battles.listed", ALICE),
        ("battles.reward_claimed", "server:battles"),
    ]
    async with bench.db.reader.read_transaction() as reading:
        kept = await after(reading, "battle:b", 0)
        line = await after(reading, listed().room(), 0)
    assert [one.actor for one in kept] == [ALICE, ALICE, "server:battles"]
    assert [one.actor for one in line] == [ALICE]
