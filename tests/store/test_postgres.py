"""The writer on PostgreSQL: a COMMIT whose answer is lost, and units side by side."""

import asyncio
import math
from collections.abc import AsyncIterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from server.database import Entry, Request, Stale, Unavailable
from tests.store.bench import GET, LISTING, Bench, HeldEngine, listed, move, outcome, put
from tests.support.engines import database, rows
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.relay import Relay

pytestmark = pytest.mark.postgres

on_postgres = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

BACK_WITHIN_S = 20


class OnCommit:
    """Does something to the network just before COMMIT is sent, once."""

    def __init__(self, bench: Bench, do: Any) -> None:
        engine: Any = bench.db.writer._engine
        self._engine, self._connection, self._do = engine, engine._connection, do
        engine._connection = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, text: str, **options: Any) -> Any:
        """Send it on."""
        if text == "commit":
            self._do()
        return await self._connection.execute(text, **options)


@pytest.fixture
async def relay(postgres: Postgres | None) -> AsyncIterator[Relay]:
    if postgres is None:
        need("postgres")
    assert postgres is not None
    async with Relay(postgres.port) as relay:
        yield relay


@pytest.fixture
async def straight(postgres: Postgres | None) -> str:
    """The address of a database, past the relay."""
    return await database("postgres", postgres, Path())


@pytest.fixture
async def far(relay: Relay, straight: str) -> AsyncIterator[Bench]:
    """The same database at the other end of the relay."""
    name = straight.rpartition("/")[2]
    bench = await Bench(
        relay.url.replace("http://", "postgresql://warroom@", 1) + "/" + name
    ).open()
    yield bench
    await bench.db.close()


async def back(bench: Bench, name: str = "back") -> None:
    """Wait until units are committed again: such with that name and a number."""
    async with asyncio.timeout(BACK_WITHIN_S):
        number = 0
        while await outcome(bench.submit(put(f"{name} {number}"))) is not None:
            number += 1
            await asyncio.sleep(0.1)


async def test_a_commit_whose_answer_is_lost_is_told_when_it_is_known(
    far: Bench, relay: Relay, straight: str
) -> None:
    entry = Entry("a", "0")
    work = put("a")
    work.swap(entry, "1")
    work.publish(listed())
    OnCommit(far, relay.hold)
    assert await outcome(far.submit(work, Request(("alice", "r"), "d"))) is Unavailable
    assert (entry.broken, far.published) == (True, [])
    await back(far)
    assert [seq for _, seq in far.published] == [1]
    assert await rows(straight, "select room, seq from room_events") == [(LISTING, 1)]
    replies = await rows(straight, "select who, request_id, digest, reply from kept_replies")
    assert replies == [("alice", "r", "d", "{}")]
    again = put("a")
    assert await outcome(far.submit(again, Request(("alice", "r"), "d"))) is Stale


async def test_a_commit_that_was_never_heard_is_not_told(
    far: Bench, relay: Relay, straight: str
) -> None:
    work = put("a")
    work.publish(listed())
    OnCommit(far, relay.cut)
    assert await outcome(far.submit(work)) is Unavailable
    assert await outcome(far.submit(put("b"))) is Unavailable
    relay.heal()
    await back(far)
    assert far.published == []
    assert await rows(straight, "select 1 from facts where name = 'a'") == []
    await far.submit(put("a"))


async def test_while_the_database_is_away_everybody_hears_so_at_once(
    far: Bench, relay: Relay
) -> None:
    relay.cut()
    assert await outcome(far.submit(put("a"))) is Unavailable
    assert not far.db.writer.connected
    now = asyncio.get_running_loop().time
    before = now()
    ends = [await outcome(far.submit(put(f"n{n}"))) for n in range(100)]
    assert set(ends) == {Unavailable}
    assert now() - before < 1
    relay.heal()
    await back(far)
    assert far.db.writer.connected


@on_postgres
async def test_units_that_share_a_copy_keep_their_order_among_others(bench: Bench) -> None:
    names = [f"n{n}" for n in range(20)]
    entries = {name: Entry(name, 0) for name in names}
    for name in names:
        await bench.submit(put(name, "0"))
    held = HeldEngine(bench.db)
    first = bench.submit(put("first"))
    await held.entered.wait()
    units = [first]
    for step in range(5):
        for name in names:
            work = move(name, str(step), str(step + 1))
            work.swap(entries[name], step + 1)
            work.publish(listed())
            units.append(bench.submit(work))
        units.append(bench.submit(put(f"between {step}")))
    held.go.set()
    assert [await outcome(unit) for unit in units] == [None] * len(units)
    assert held.batches[0] == 1
    facts = await bench.facts()
    assert {facts[name] for name in names} == {"5"}
    assert [seq for _, seq in bench.published] == list(range(1, 101))


@on_postgres
async def test_one_that_falls_takes_none_of_the_others_along(bench: Bench) -> None:
    held = HeldEngine(bench.db)
    first = bench.submit(put("first"))
    await held.entered.wait()
    units = [first]
    for n in range(10):
        work = put(f"n{n}")
        if n == 4:
            work = move("nobody", "0", "1")
        work.swap(Entry(str(n), 0), 1)
        work.publish(listed())
        units.append(bench.submit(work))
    held.go.set()
    ends = [await outcome(unit) for unit in units]
    assert ends == [None] * 5 + [Stale] + [None] * 5
    assert [seq for _, seq in bench.published] == list(range(1, 10))
    assert await bench.seqs(LISTING) == list(range(1, 10))


@on_postgres
async def test_few_round_trips_carry_many_units(bench: Bench) -> None:
    """Of units of the same shape each statement goes out once, whatever their number."""
    held = HeldEngine(bench.db)
    engine: Any = held._engine
    sent: list[int] = []
    run = engine._run

    async def counting(statement: Any, values: Any) -> Any:
        sent.append(len(values))
        return await run(statement, values)

    engine._run = counting
    first = bench.submit(put("first"))
    await held.entered.wait()
    units = [first]
    for n in range(100):
        work = put(f"n{n}")
        work.swap(Entry(str(n), 0), 1)
        work.publish(listed())
        units.append(bench.submit(work))
    held.go.set()
    assert [await outcome(unit) for unit in units] == [None] * 101
    assert sorted(sent)[-2:] == [100, 100]
    assert len(sent) == 1 + 3  # the first unit: put; the others: numbers, put, append


async def test_a_writer_that_was_recycled_still_finds_out_what_became_of_a_commit(
    far: Bench, relay: Relay, straight: str
) -> None:
    """Its row goes from one connection to the next."""
    engine: Any = far.db.writer._engine
    for n, break_it in enumerate((relay.hold, relay.cut)):
        first = engine._pid
        assert await engine.recycle(math.inf) == 1
        assert engine._pid != first
        work = put(f"a{n}")
        work.publish(listed())
        OnCommit(far, break_it)
        assert await outcome(far.submit(work)) is Unavailable
        relay.heal()
        await back(far, f"b{n}")
    assert [seq for _, seq in far.published] == [1]
    found = await rows(straight, "select name from facts where name like 'a_'")
    assert found == [("a0",)]
    marks = await rows(straight, "select count(*) from facts where name like 'warroom writer %'")
    assert marks == [(1,)]


@on_postgres
async def test_readers_that_are_refused_try_until_they_are_let_in(bench: Bench) -> None:
    """As with a password that is being changed: that is no fault of the network."""
    name = bench.url.rpartition("/")[2]
    administer = bench.url.removesuffix(name) + "postgres"
    readers = await rows(
        bench.url,
        "select pid from pg_stat_activity"
        " where datname = current_database() and application_name = 'warroom reader'",
    )
    await rows(administer, f"alter database {name} with allow_connections false")
    for (pid,) in readers:
        await rows(administer, f"select pg_terminate_backend({pid}, 10000)")
    reader = bench.db.reader
    for _ in readers:
        assert reader.open_connections > 0
        with pytest.raises(Unavailable):
            await reader.one(GET, name="a")
    async with asyncio.timeout(BACK_WITHIN_S):
        for pause in repeat(0.02):
            if reader._away:
                break
            await asyncio.sleep(pause)
    await rows(administer, f"alter database {name} with allow_connections true")
    async with asyncio.timeout(BACK_WITHIN_S):
        for pause in repeat(0.02):
            if reader.open_connections == len(readers):
                break
            await asyncio.sleep(pause)
    assert await reader.one(GET, name="a") is None
