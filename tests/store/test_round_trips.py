"""Round trips to PostgreSQL: those of a batch are bounded by the kinds of statement in it."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from protocol.auth import Login
from protocol.battles import Difficulty
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.config import Settings
from server.database import Entry, Stale, Statement, Work
from server.database.writer import Outcome
from tests.store.bench import AT, outcome, put
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres
from tests.support.relay import Relay

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("engine", ["postgres"], indirect=True),
]

SEATS: Final = 10
ADDRESS: Final = "203.0.113.7"
STRIKES: Final = 4  # begin, stamina, history, commit
MOST: Final = 10

RENAME: Final = Statement("test.rename", "update facts set name = :new where name = :name")


class Gate:
    """The real engine. Batches wait until they are let through, and their round trips are
    counted."""

    def __init__(self, app: App, relay: Relay) -> None:
        self.writer: Any = app.database.writer
        self._engine, self.writer._engine = self.writer._engine, self
        self._relay = relay
        self._entered = asyncio.Event()
        self._go = asyncio.Event()
        self._go.set()
        self.batches: list[tuple[int, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def open(self) -> None:
        """Let all through."""
        self._go.set()

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Wait, then commit for real."""
        self._entered.set()
        await self._go.wait()
        before = self._relay.round_trips
        outcomes: list[Outcome] = await self._engine.commit(units)
        self.batches.append((len(units), self._relay.round_trips - before))
        return outcomes

    async def batch(self, units: int, ask: Callable[[], Sequence[Any]]) -> tuple[list[Any], int]:
        """Let so many units be committed in one batch. Returns the answers and the round trips."""
        self._go.clear()
        self._entered.clear()
        first = self.writer.submit(put(uuid7()), b"", None)
        await self._entered.wait()
        asked = [asyncio.ensure_future(each) for each in ask()]
        async with asyncio.timeout(30):
            while len(self.writer._queue) < units:
                assert not (early := [each.result() for each in asked if each.done()]), early
                await asyncio.sleep(0.001)
        self.open()
        answers = await asyncio.gather(*asked)
        await first
        carried, taken = self.batches[-1]
        assert carried == units
        return answers, taken


class World:
    """A server without sockets, whose database is at the other end of a relay."""

    def __init__(self, app: App, relay: Relay) -> None:
        self.app = app
        self.gate = Gate(app, relay)
        self.known = 0

    async def battle(self) -> str:
        """A battle that nobody wins soon."""
        known = set(self.app.service(Battles).pool.waiting)
        await self.app.service(Battles).offer(Difficulty.LEGENDARY, 1, self.app.clock.now_ms())
        (battle_id,) = set(self.app.service(Battles).pool.waiting) - known
        return battle_id

    async def people(self, number: int) -> list[Ear]:
        """People who are connected."""
        names = [f"player{self.known + n}" for n in range(number)]
        self.known += number
        added = [self.app.service(Auth).add(name, PASSWORD, Role.PLAYER) for name in names]
        found = await asyncio.gather(*added)
        return [await Ear(self.app, player(each.user.id)).open() for each in found]

    async def seated(self, battle_id: str, number: int) -> list[Ear]:
        """People with a seat in a battle."""
        people = await self.people(number)
        await asyncio.gather(*(ear.ok("battles.join", battle_id=battle_id) for ear in people))
        return people


@pytest.fixture
async def world(postgres: Postgres | None, engine: str) -> AsyncIterator[World]:
    url = await database(engine, postgres, Path())
    assert postgres is not None
    async with Relay(postgres.port) as relay, _opened(relay, url) as app:
        world = World(app, relay)
        yield world
        world.gate.open()


@asynccontextmanager
async def _opened(relay: Relay, url: str) -> AsyncIterator[App]:
    name = url.rpartition("/")[2]
    far = relay.url.replace("http://", "postgresql://warroom@", 1) + "/" + name
    settings = Settings(database_url=far, secret_key="x" * 32, password_hash_cost=4)
    async with opened(settings, ManualClock()) as app:
        yield app


def strike(ear: Ear, battle_id: str, enemy_id: int = 1) -> Any:
    """Strike an enemy."""
    fields = {"battle_id": battle_id, "enemy_id": enemy_id, "kind": "quick", "request_id": uuid7()}
    return ear.ask("battles.attack", **fields)


@pytest.mark.parametrize(
    ("strikes", "battles"), [(1, 1), (8, 1), (8, 8), (100, 1), (100, 8), (100, 100)]
)
async def test_strikes_take_as_many_round_trips_however_many_they_are(
    world: World, strikes: int, battles: int
) -> None:
    seats = min(SEATS, -(-strikes // battles))
    strikers = []
    for _ in range(battles):
        battle_id = await world.battle()
        seated = await world.seated(battle_id, seats)
        # A connection has one command under way: those of one person come over several.
        strikers += [
            (await Ear(world.app, seated[n % seats].identity).open(), battle_id)
            for n in range(-(-strikes // battles))
        ]
    strikers = strikers[:strikes]
    random.Random(strikes).shuffle(strikers)
    await strike(*strikers[0])  # the first time statements are prepared
    enemies = len((await world.app.service(Battles).get(battle_id)).pending.battle.enemies)
    answers, taken = await world.gate.batch(
        strikes,
        lambda: [strike(*striker, 1 + n % enemies) for n, striker in enumerate(strikers)],
    )
    assert all(answer["ok"] for answer in answers), answers
    assert STRIKES <= taken <= STRIKES + 1  # and a snapshot each hundred events


async def test_a_batch_of_all_that_players_do_takes_few_round_trips(world: World) -> None:
    """Strikes, chat, joins and log-ins, in one battle and in others, in turns."""
    for _ in range(2):  # the first time statements are prepared
        asked = await all_sorts(world)
        answers, taken = await world.gate.batch(
            len(asked), lambda asked=asked: [ask() for ask in asked]
        )
        assert all(answer["ok"] for answer in answers if isinstance(answer, dict)), answers
    assert taken <= MOST


async def all_sorts(world: World) -> list[Callable[[], Any]]:
    """Ways to ask for each, four times."""
    battle_id = await world.battle()
    people = await world.seated(battle_id, 4)
    names = [f"player{number}" for number in range(world.known - 4, world.known)]
    asked: list[Callable[[], Any]] = []
    for ear, name in zip(people, names, strict=True):
        elsewhere = await world.battle()
        (away,) = await world.seated(elsewhere, 1)
        new, newer = await world.people(2)
        talker = await Ear(world.app, ear.identity).open()
        # The first log-in from a network notes it: later ones on the same day do not.
        await world.app.service(Auth).log_in(Login(name, PASSWORD), ADDRESS)
        asked += [
            partial(strike, ear, battle_id),
            partial(new.ask, "battles.join", battle_id=battle_id, request_id=uuid7()),
            partial(strike, away, elsewhere),
            partial(newer.ask, "battles.join", battle_id=elsewhere, request_id=uuid7()),
            partial(talker.ask, "battles.chat", battle_id=battle_id, text="hi", request_id=uuid7()),
            partial(world.app.service(Auth).log_in, Login(name, PASSWORD), ADDRESS),
        ]
    return asked


def renames(number: int) -> list[Work]:
    """Units of one kind that all fit, on facts that `facts` has made."""
    units = []
    for n in range(number):
        work = Work(AT)
        work.change(RENAME, name=f"n{n}", new=f"m{n}")
        units.append(work)
    return units


async def facts(world: World, number: int) -> None:
    """Make facts to be renamed."""
    await asyncio.gather(
        *(world.gate.writer.submit(put(f"n{n}"), b"", None) for n in range(number))
    )


async def committed(world: World, units: list[Work]) -> tuple[list[Any], int]:
    """Commit units in one batch. Returns what they end with, and the round trips."""
    submit = world.gate.writer.submit
    return await world.gate.batch(
        len(units), lambda: [outcome(submit(unit, b"", None)) for unit in units]
    )


async def test_units_that_do_not_fit_cost_one_more_round(world: World) -> None:
    await facts(world, 64)
    units = renames(64)
    for n in (7, 20, 63):
        units[n] = Work(AT)
        units[n].change(RENAME, name="nobody", new="somebody")
    ends, taken = await committed(world, units)
    assert [n for n, end in enumerate(ends) if end is not None] == [7, 20, 63]
    assert {ends[7], ends[20], ends[63]} == {Stale}
    assert taken <= 6  # begin, prepare, rename, begin again, rename, commit


async def test_what_was_decided_on_a_unit_that_does_not_fit_is_found_in_the_same_round(
    world: World,
) -> None:
    """As where another process has changed the battle that all of them strike in."""
    await facts(world, 64)
    entry, units = Entry("battle", 0), renames(64)
    units[0] = Work(AT)
    units[0].change(RENAME, name="nobody", new="somebody")
    for unit in units[:32]:
        unit.swap(entry, 1)
    ends, taken = await committed(world, units)
    assert ends == [Stale] * 32 + [None] * 32
    assert taken <= 6


async def test_an_error_that_names_no_unit_is_found_by_halving(world: World) -> None:
    await facts(world, 64)
    units = renames(64)
    units[41] = Work(AT)
    units[41].change(RENAME, name="n41", new="n3")  # which is there
    units[3] = Work(AT)
    units[3].change(RENAME, name="n3", new="n3")
    ends, taken = await committed(world, units)
    assert [n for n, end in enumerate(ends) if end is not None] == [41]
    assert ends[41] is Stale
    # Two for each of six halvings, and the bytes that come after an error count as another.
    assert taken <= 40
