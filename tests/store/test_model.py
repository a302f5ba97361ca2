"""Whatever units come in whatever batches, the database ends as a simple model says."""

import asyncio
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.database import Entry, Request, Stale, Unavailable, Work
from tests.store.bench import AT, LISTING, SET, Bench, NoCommit, listed, outcome, put
from tests.support.engines import ENGINES, database
from tests.support.postgres import Postgres
from tests.support.verified import verified

NAMES = "abc"


class Planned(NamedTuple):
    """A unit to be: which facts it counts up, what goes wrong with it, whether it ends a batch."""

    names: frozenset[str]
    fails: bool
    tells: int
    request_id: str | None
    ends_batch: bool
    commit_fails: bool


planned = st.builds(
    Planned,
    names=st.frozensets(st.sampled_from(NAMES), min_size=1),
    fails=st.integers(0, 3).map(lambda n: n == 0),
    tells=st.integers(0, 2),
    request_id=st.none() | st.sampled_from(["r1", "r2", "r3", "r4"]),
    ends_batch=st.booleans(),
    commit_fails=st.integers(0, 5).map(lambda n: n == 0),
)


class Model:
    """What must be in the database."""

    def __init__(self) -> None:
        self.facts = dict.fromkeys(NAMES, 0)
        self.requests: set[str] = set()
        self.told = 0

    def batch(self, units: list[Planned], *, commit_fails: bool) -> list[type | None]:
        """How each unit of a batch ends."""
        if commit_fails:
            return [Unavailable] * len(units)
        broken: set[str] = set()
        ends: list[type | None] = []
        for unit in units:
            if unit.fails or unit.names & broken or unit.request_id in self.requests:
                broken |= unit.names
                ends.append(Stale)
                continue
            for name in unit.names:
                self.facts[name] += 1
            self.told += unit.tells
            if unit.request_id is not None:
                self.requests.add(unit.request_id)
            ends.append(None)
        return ends


def work_of(unit: Planned, entries: dict[str, Entry[int]]) -> Work:
    """The unit of work, decided on the pending states."""
    work = Work(AT)
    for name in sorted(unit.names):
        entry = entries[name]
        work.change(SET, name=name, was=str(entry.pending), value=str(entry.pending + 1))
        work.swap(entry, entry.pending + 1)
    for _ in range(unit.tells):
        work.publish(listed())
    if unit.fails:
        work.change(SET, name="nobody", was="0", value="1")
    return work


async def run(plan: list[Planned], url: str) -> None:
    """Carry a plan out, batch by batch, and compare."""
    bench = await Bench(url).open(readers=1)
    try:
        for name in NAMES:
            await bench.submit(put(name, "0"))
        model, rest = Model(), list(plan)
        entries = {name: Entry(name, 0) for name in NAMES}
        while rest:
            size = next((n for n, u in enumerate(rest, 1) if u.ends_batch), len(rest))
            batch, rest = rest[:size], rest[size:]
            await carry_out(bench, model, entries, batch)
            for name, entry in entries.items():
                assert entry.in_flight == 0
                if entry.broken:
                    entries[name] = Entry(name, model.facts[name])
        assert await bench.facts() == {name: str(n) for name, n in model.facts.items()}
        assert [seq for _, seq in bench.published] == list(range(1, model.told + 1))
        assert await bench.seqs(LISTING) == list(range(1, model.told + 1))
        await verified(url)
    finally:
        await bench.db.close()


async def carry_out(
    bench: Bench, model: Model, entries: dict[str, Entry[int]], batch: list[Planned]
) -> None:
    """One batch, whose COMMIT may fail."""
    commit_fails = batch[-1].commit_fails
    with NoCommit(bench) if commit_fails else nullcontext():
        futures = [
            bench.submit(
                work_of(unit, entries),
                Request(("alice", unit.request_id), "d") if unit.request_id else None,
            )
            for unit in batch
        ]
        ends = [await outcome(future) for future in futures]
    assert ends == model.batch(batch, commit_fails=commit_fails)
    for name, entry in entries.items():
        if not entry.broken:
            assert entry.committed == entry.pending == model.facts[name]


@pytest.mark.parametrize("kind", ENGINES)
@settings(max_examples=40, deadline=None)
@given(plan=st.lists(planned, max_size=25))
def test_units_in_batches_end_as_the_model_says(
    kind: str, postgres: Postgres | None, plan: list[Planned]
) -> None:
    async def run_in(folder: str) -> None:
        await run(plan, await database(kind, postgres, Path(folder) / "test.db"))

    with TemporaryDirectory() as folder:
        asyncio.run(run_in(folder))
