"""The law of kept rooms: an old snapshot and the events after it are what a new snapshot is.

Held by whatever people do, whenever they join, go on or come back, across restarts and kills; and
by the page's reducers as well.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import rooms
from protocol.battles import AttackKind, battle_room, listing_room
from protocol.facts import room_of as room_of_event
from protocol.message import KEPT, Event, Kind, specs
from protocol.players import player_room
from protocol.users import user_room
from tests.contracts import ACTS
from tests.support.folds import FOLDS
from tests.support.programs import need
from tests.support.server import ROOT
from tests.support.verified import verified
from tests.support.world import BOSS, CONNECTIONS, SINGLE, SUBJECTS, Log, World, make

KEPT_EVENTS = {spec.type for spec in specs(Kind.EVENT) if spec.delivery is KEPT}
KEPT_KINDS = {
    room_of_event(event).partition(":")[0] for event in KEPT_EVENTS if issubclass(event, Event)
}
"""Kinds of rooms with kept events. The others have no law: nothing is kept in them."""

Step = tuple[Any, ...]

connection = st.integers(0, CONNECTIONS - 1)
battle = st.integers(0, 2)


def often(*weighed: tuple[int, st.SearchStrategy[Step]]) -> st.SearchStrategy[Step]:
    """One of these, each so often; `one_of` would take each as often as the others."""
    drawn = [strategy for weight, strategy in weighed for _ in range(weight)]
    return st.sampled_from(drawn).flatmap(lambda strategy: strategy)


blow = st.tuples(st.just("battles.attack"), st.integers(1, 4), st.sampled_from([*AttackKind]))
do = often(
    (8, blow),
    (1, st.tuples(st.just("battles.attack"), st.integers(4, 12), st.just("ultimate"))),
    (1, st.tuples(st.just("battles.attack"), st.integers(0, 3), st.just("slow"))),
    (3, st.tuples(st.just("battles.join"))),
    (1, st.tuples(st.just("battles.leave"))),
    (2, st.tuples(st.just("battles.chat"), st.sampled_from(["hi", "<b>", ""]))),
    (2, st.tuples(st.just("battles.revive"))),
    (2, st.tuples(st.just("battles.claim"))),
    (2, st.tuples(st.just("players.allocate"), st.integers(0, 2), st.integers(0, 9))),
    (1, st.tuples(st.just("battles.dance"))),
)
done = st.tuples(st.just("do"), connection, st.sampled_from([0, 0, 0, 1, 2]), do, st.booleans())
joined = st.tuples(
    st.just("join"),
    connection,
    st.sampled_from(["battle", "line", "own"]),
    st.sampled_from([0, 0, 1]),
    st.sampled_from(["known", "known", "anew", "nothing", "less", "ahead", "epoch"]),
)
passed = st.tuples(st.just("time"), st.sampled_from([0.1, 1, 10, 10, 20, 20, 61, 121, 301, 901]))
acted = st.tuples(st.just("act"), st.integers(0, max(0, len(ACTS) - 1)))
subject = st.integers(0, len(SUBJECTS) - 1)
ruled = st.tuples(
    st.just("rule"),
    subject,
    often(
        (3, st.tuples(st.just("update"), st.sampled_from(["viewer", "user", "player"]))),
        (2, st.tuples(st.just("mail"), st.sampled_from(["a@example.org", "b@example.org", None]))),
        (2, st.tuples(st.just("disable"))),
        (2, st.tuples(st.just("enable"))),
        (1, st.tuples(st.just("delete"))),
    ),
)
followed = st.tuples(
    st.just("join"),
    st.just(BOSS),
    st.just("subject"),
    subject,
    st.sampled_from(["known", "known", "anew", "less", "ahead", "epoch"]),
)
step = often(
    (2, ruled),
    (1, followed),
    (8, done),
    *([(2, acted)] if ACTS else []),
    (2, joined),
    (4, st.tuples(st.just("at once"), st.lists(often((2, done), (1, joined)), max_size=6))),
    (3, passed),
    (1, st.tuples(st.just("leave"), connection, st.sampled_from(["battle", "line"]), battle)),
    (1, st.tuples(st.just("look"), connection)),
    (1, st.tuples(st.just("come"), connection)),
    (1, st.tuples(st.just("go"), connection)),
    (1, st.tuples(st.just("restart"), st.booleans())),
    (2, st.tuples(st.just("fail"), st.sampled_from([True, False]))),
)
BEGIN: list[Step] = [
    *(("join", place, "battle", 0, "nothing") for place in range(CONNECTIONS)),
    *(("join", place, kind, 0, "anew") for kind in ("own", "line") for place in range(3)),
    *(("join", BOSS, "subject", number, "anew") for number in range(len(SUBJECTS))),
    *(("join", BOSS, "single", number, "nothing") for number in range(len(SINGLE))),
    *(("look", place) for place in range(CONNECTIONS)),
    *(("do", place, 0, ("battles.join",), True) for place in range(3)),
]
"""So that there is something to follow from the start."""
plans = st.lists(step, min_size=20, max_size=50).map(lambda steps: BEGIN + steps)


def room_of(world: World, place: int, kind: str, number: int) -> str:
    match kind:
        case "single":
            return SINGLE[number]
        case "battle":
            return battle_room(world.battles[number])
        case "line":
            return listing_room(world.battles[number])
        case "subject":
            return user_room(world.subjects[number])
    return player_room(world.watchers[place].person)


def fields_of(world: World, name: str, number: int, given: tuple[Any, ...]) -> dict[str, Any]:
    match name:
        case "players.allocate":
            return dict(zip(("attack", "max_stamina"), given, strict=True))
        case "battles.attack":
            more = dict(zip(("enemy_id", "kind"), given, strict=True))
        case "battles.chat":
            more = {"text": given[0]}
        case _:
            more = {}
    return {"battle_id": world.battles[number], **more}


def ruling(world: World, number: int, *given: Any) -> tuple[str, Mapping[str, Any]]:
    """What an admin does to somebody; or, where no verb is given, the act of some contract."""
    if not given:
        return ACTS[number].name, ACTS[number].data
    ((verb, *values),) = given
    more = dict(zip(("email" if verb == "mail" else "role",), values, strict=False))
    name = "users.update" if verb == "mail" else f"users.{verb}"
    return name, {"user_id": world.subjects[number], **more}


async def carry_out(world: World, step: Step) -> None:
    """One step; afterwards somebody joins every room."""
    await take(world, step)
    await world.snapshots()


async def take(world: World, step: Step) -> None:
    match step:
        case ("at once", steps):
            world.slow = True
            await asyncio.gather(*(take(world, step) for step in steps), world.snapshots())
            world.slow = False
        case ("do", place, number, (name, *given), waits):
            ear = await world.watchers[place].come()
            answer = ear.ask(name, **fields_of(world, name, number, tuple(given)))
            if waits:
                await answer
        case ("rule" | "act", number, *given):
            ear = await world.watchers[BOSS].come()
            name, fields = ruling(world, number, *given)
            await ear.ask(name, **fields)
        case ("join", place, kind, number, since):
            await world.watchers[place].join(room_of(world, place, kind, number), since)
        case ("leave", place, kind, number):
            await world.watchers[place].leave(room_of(world, place, kind, number))
        case ("look", place):
            world.watchers[place].look()
        case ("come", place):
            await world.watchers[place].come()
        case ("go", place):
            await world.watchers[place].go()
        case ("time", seconds):
            await world.pass_time(seconds)
        case ("restart", kill):
            await world.restart(kill=kill)
        case ("fail", commits):
            world.disk.fails = commits


async def run(plan: list[Step], template: Path) -> World:
    """Carry a plan out."""
    with TemporaryDirectory() as folder:
        world = World(template, Path(folder))
        await world.open()
        try:
            for step in plan:
                await carry_out(world, step)
            await world.settle()
            await verified(world.app.settings.database)
        finally:
            await world.close()
        return world


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "data"
    asyncio.run(make(folder))
    return folder


def test_every_kind_of_room_has_its_fold() -> None:
    assert set(FOLDS) == KEPT_KINDS <= set(rooms.KINDS)


def everything() -> list[Step]:
    """A plan in which each kept event happens."""
    people = range(3)

    def each(name: str, *given: Any, number: int = 0) -> list[Step]:
        return [("do", place, number, (name, *given), True) for place in people]

    def beat() -> list[Step]:
        return [("time", 10), *each("battles.revive"), ("look", 1)]

    blows = [each("battles.attack", enemy, "ultimate") for enemy in (1, 2, 3) for _ in range(2)]
    return [
        *BEGIN,
        ("rule", 0, ("update", "viewer")),
        ("rule", 0, ("mail", "a@example.org")),
        ("rule", 1, ("disable",)),
        ("look", BOSS),
        ("rule", 1, ("delete",)),
        ("look", BOSS),
        ("rule", 0, ("enable",)),
        *(("act", number) for number in range(len(ACTS))),
        ("look", BOSS),
        *each("battles.chat", "hi"),
        *(("go", place) for place in (0, 3)),
        ("time", 1),
        ("restart", True),
        ("join", 0, "battle", 0, "known"),
        *each("battles.leave"),
        *each("battles.join"),
        *each("players.allocate", 1, 1),
        *(step for _ in range(60) for step in beat()),
        *(step for blow in blows for step in blow),
        *each("battles.claim"),
        ("restart", False),
        ("join", 0, "battle", 1, "nothing"),
        *each("battles.join", number=1),
        *each("battles.leave", number=1),
        ("time", 301),
        ("look", BOSS),
    ]


async def test_each_kept_event_is_folded(template: Path, tmp_path: Path) -> None:
    world = await run(everything(), template)
    assert world.names == {spec.name for spec in specs(Kind.EVENT) if spec.delivery is KEPT}
    assert {log.room.partition(":")[0] for log in world.logs} == KEPT_KINDS


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=plans)
def test_whatever_is_done(template: Path, plan: list[Step]) -> None:
    asyncio.run(run(plan, template))


@pytest.mark.node
async def test_the_page_comes_to_the_same(template: Path) -> None:
    logs: list[Log] = list((await run(everything(), template)).logs)
    given_logs = json.dumps([log._asdict() for log in logs], default=lambda told: told._asdict())
    process = await asyncio.create_subprocess_exec(
        *(need("node"), str(ROOT / "tests/browser/fold.mjs")),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate(given_logs.encode())
    assert process.returncode == 0
    assert json.loads(output) == [log.last for log in logs]
    assert {log.room.partition(":")[0] for log in logs} == set(FOLDS)
