"""Executing units together on PostgreSQL comes to the same as executing them one by one."""

import random
from typing import Any, Final, NamedTuple

import pytest

from server.database import ANY_NUMBER, Entry, Request, Stale, Statement, Work, postgres_batch
from server.database.writer import Outcome
from tests.store.bench import AT, PUT, SET, Bench, claimed, listed, put

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.parametrize("engine", ["postgres"], indirect=True),
]

SEEDS: Final = range(240)
NAMES: Final = "abcdef"

DROP: Final = Statement("test.drop", "delete from facts where name = :name")
DROP_ALL: Final = Statement("test.drop_all", "delete from facts where value = :value")
COUNT: Final = Statement(
    "test.count",
    "update facts set value = (select count(*)::text from facts where name < 'g')"
    " where name = :name",
)
COPY: Final = Statement(
    "test.copy",
    "insert into facts (name, value) select cast(:name as text), value from facts"
    " where name = :other on conflict (name) do update set value = excluded.value",
)
RENAME: Final = Statement("test.rename", "update facts set name = :new where name = :name")
CLEAR: Final = (
    "delete from facts where name not like 'warroom writer %' and name <> 'epoch';"
    " delete from room_events; delete from kept_replies; delete from room_numbers"
)
"""Without the writer's mark and the epoch it would find that its history was lost."""
ALL: Final = (
    "select name, value from facts where name not like 'warroom writer %'"
    " and name <> 'epoch' order by 1",
    "select room, seq, who, request_id, data from room_events order by 1, 2",
    "select who, request_id from kept_replies order by 1, 2",
    "select room, seq from room_numbers order by 1",
)


class Made(NamedTuple):
    """Units with random statements on few rows."""

    units: list[Work]
    facts: dict[str, str]


def made(chance: random.Random) -> Made:
    """Some that fit, most of the time."""
    entries = [Entry(name, "") for name in "xyz"]
    seqs = {"1": 0, "2": 0}
    units = []
    for number in range(chance.randint(2, 14)):
        work = Work(AT)
        for _ in range(chance.randint(0, 3)):
            change(work, chance)
        for entry in entries:
            if chance.random() < 0.2:
                work.swap(entry, "")
        request = Request(("who", f"r{chance.randint(0, 30)}"), "d")
        if chance.random() < 0.4:
            battle = chance.choice(list(seqs))
            seqs[battle] += 1 if chance.random() < 0.9 else 2
            work.publish(claimed(battle, number), seq=seqs[battle])
        if chance.random() < 0.3:
            work.publish(listed())
        work.reply = b"{}"
        work.request = request if chance.random() < 0.7 else None
        units.append(work)
    return Made(units, {name: chance.choice("01") for name in NAMES if chance.random() < 0.5})


def change(work: Work, chance: random.Random) -> None:
    """Add a statement."""
    name, other, value = chance.choice(NAMES), chance.choice(NAMES), chance.choice("01")
    rows = ANY_NUMBER if chance.random() < 0.6 else 1
    match chance.randrange(8):
        case 0 | 1:
            work.change(PUT, name=name, value=value)
        case 2 | 3:
            work.change(SET, rows=rows, name=name, was=value, value=chance.choice("01"))
        case 4:
            work.change(DROP, rows=rows, name=name)
        case 5:
            work.change(COUNT, rows=rows, name=name)
        case 6:
            work.change(COPY, rows=rows, name=name, other=other)
        case _:
            if chance.random() < 0.3:
                work.change(DROP_ALL, rows=ANY_NUMBER, value=value)
            else:
                work.change(RENAME, rows=rows, name=name, new=other)


class Engine:
    """Executes units, each time on the same data."""

    def __init__(self, bench: Bench, facts: dict[str, str]) -> None:
        self._engine: Any = bench.db.writer._engine
        self._facts = facts

    async def execute(self, units: list[Work]) -> tuple[list[Outcome], list[Any]]:
        """Returns what becomes of each, and what is in the tables then."""
        connection = self._engine._connection
        await connection.execute(CLEAR)
        await self._engine.commit([put(name, value) for name, value in self._facts.items()])
        outcomes: list[Outcome] = await self._engine.commit(units)
        return outcomes, [list(map(tuple, await connection.fetch(query))) for query in ALL]


@pytest.mark.parametrize("seeds", [SEEDS[n::4] for n in range(4)], ids=str)
async def test_together_comes_to_the_same_as_one_by_one(
    bench: Bench, seeds: range, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = fell = 0
    for seed in seeds:
        units, facts = made(random.Random(seed))
        engine = Engine(bench, facts)
        together, data = await engine.execute(units)
        with monkeypatch.context() as patched:
            patched.setattr(postgres_batch, "MAX_ROUNDS", 0)
            alone, expected = await engine.execute(units)
            standing = fit(units, together)
            numbers, the_same = await engine.execute(standing)
        assert data == the_same, f"seed {seed}: those that fit come to this without the others"
        assert numbers == fit(together, together), seed
        assert all(isinstance(end, Stale) for end in together if end not in numbers), seed
        # What comes after a unit that does not fit may be taken not to fit either.
        first = next((n for n, end in enumerate(alone) if not isinstance(end, tuple)), len(units))
        assert len(fit(units[: first + 1], together)) == first, seed
        fitting = fit(units, alone)
        assert await engine.execute(fitting) == (fit(alone, alone), expected), seed
        most, fell = max(most, len(fitting)), fell + len(units) - len(standing)
    assert most > 5
    assert fell > 0


def fit(of: list[Any], outcomes: list[Outcome]) -> list[Any]:
    """Those whose unit fits."""
    return [one for one, end in zip(of, outcomes, strict=False) if isinstance(end, tuple)]
