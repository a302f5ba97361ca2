"""A seat is away when the last of a player's connections has ended, and only then."""

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.battles import Battles
from server.battles.state import seated
from tests.support.ear import Ear
from tests.support.world import CONNECTIONS, PEOPLE, World, make

Step = tuple[Any, ...]

connection = st.integers(0, CONNECTIONS - 1)
moved = st.one_of(
    st.tuples(st.just("come"), connection),
    st.tuples(st.just("go"), connection),
    st.tuples(st.sampled_from(["battles.join", "battles.leave"]), connection),
)
step = st.one_of(
    moved,
    st.tuples(st.just("at once"), st.lists(moved, min_size=2, max_size=6)),
    st.tuples(st.just("at once"), st.lists(moved, min_size=2, max_size=6)),
    st.tuples(st.just("restart"), st.booleans()),
)
plans = st.lists(step, min_size=5, max_size=25)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "data"
    asyncio.run(make(folder))
    return folder


async def take(world: World, step: Step) -> None:
    match step:
        case ("at once", steps):
            await asyncio.gather(*(take(world, step) for step in steps))
        case ("come", place):
            await world.watchers[place].come()
        case ("go", place):
            await world.watchers[place].go()
        case ("restart", kill):
            await world.restart(kill=kill)
        case (name, place):
            ear = await world.watchers[place].come()
            await ear.ask(name, battle_id=world.battles[0])


async def seats(world: World) -> dict[str, bool]:
    """Of those who have a seat: whether it is away."""
    battle = (await world.app.service(Battles).get(world.battles[0])).committed.battle
    return {seat.player_id: seat.away_at is not None for seat in seated(battle)}


def here(world: World) -> set[str]:
    """Who is connected."""
    return {watcher.person for watcher in world.watchers if watcher.ear is not None}


def check_log(world: World) -> None:
    """Each is away at most once until they are back, and comes back only from there."""
    folder = world._folder / str(world._lives)
    with closing(sqlite3.connect(folder / "warroom.db")) as database:
        log = database.execute(
            "select name, data from room_events where room = ? order by seq",
            (f"battle:{world.battles[0]}",),
        ).fetchall()
    state: dict[str, str] = {}
    before = {
        "battles.player_joined": ("battles.player_left", ""),
        "battles.player_away": ("battles.player_joined", "battles.player_returned"),
        "battles.player_returned": ("battles.player_away",),
        "battles.player_left": (
            "battles.player_joined",
            "battles.player_returned",
            "battles.player_away",
        ),
    }
    for name, data in log:
        if name in before:
            event = json.loads(data)
            who = event.get("player_id") or event["seat"]["player_id"]
            assert state.get(who, "") in before[name], (name, state.get(who))
            state[who] = name


async def run(plan: list[Step], template: Path) -> None:
    with TemporaryDirectory() as folder:
        world = World(template, Path(folder))
        await world.open()
        try:
            for step in plan:
                await take(world, step)
                # Without the service that puts right what faults have left wrong.
                is_away = await seats(world)
                assert is_away == {player: player not in here(world) for player in is_away}
            check_log(world)
        finally:
            await world.close()


@settings(max_examples=25, deadline=None)
@given(plan=plans)
def test_a_seat_is_away_where_its_player_is_not_connected(template: Path, plan: list[Step]) -> None:
    asyncio.run(run(plan, template))


async def test_who_does_not_come_back_after_a_kill_gives_up_the_seat(
    template: Path, tmp_path: Path
) -> None:
    world = World(template, tmp_path)
    await world.open()
    people = world.watchers[: len(PEOPLE)]
    for watcher in people:
        ear: Ear = await watcher.come()
        await ear.ok("battles.join", battle_id=world.battles[0])
    await world.restart(kill=True)
    assert await seats(world) == dict.fromkeys(world.people, True)
    await people[0].come()
    assert (await seats(world))[people[0].person] is False
    await world.pass_time(119)
    assert set(await seats(world)) == set(world.people)
    await world.restart(kill=True)  # which gives nobody any more time
    await people[0].come()
    await world.pass_time(1)
    assert await seats(world) == {people[0].person: False}
    await world.close()
