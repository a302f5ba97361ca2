"""Connections that grow old make room for new ones, and nobody notices."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from server.database import Entry, Request, Statement, Unavailable, recycling
from server.database.recycling import AGAIN_S
from tests.store.bench import (
    GET,
    LISTING,
    Bench,
    HeldCommit,
    Said,
    listed,
    move,
    outcome,
    put,
)
from tests.support.clock import ManualClock
from tests.support.engines import database, on_both_engines, rows
from tests.support.postgres import Postgres
from tests.support.programs import need

AGE_S = 60.0
READERS = 2  # as many as `Bench` has
NAPS = 10

PID = Statement("test.pid", "select pg_backend_pid()")
NAP = Statement("test.nap", "select pg_sleep(0.01)")
OURS = (
    "select application_name, pid from pg_stat_activity"
    " where datname = current_database() and application_name like 'warroom%'"
)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask PostgreSQL, which tells nobody, until something holds."""
    async with asyncio.timeout(20):
        for pause in repeat(0.02):
            if await holds():
                return
            await asyncio.sleep(pause)


class Recycled:
    """A database on PostgreSQL whose connections are recycled by a clock that the test turns."""

    def __init__(self, url: str) -> None:
        self.clock = ManualClock()
        self.bench = Bench(url)

    @property
    def engine(self) -> Any:
        """The writer's."""
        return self.bench.db.writer._engine

    async def pids(self) -> dict[int, str]:
        """Who serves our connections, and what each is for, once no other is left.

        PostgreSQL is told of a connection's end, and takes a moment to go.
        """
        await until(lambda: self._are_there(READERS + 1))
        found = await rows(self.bench.url, OURS)
        return {pid: " ".join(name.split()[:2]) for name, pid in found}

    async def one_more(self) -> None:
        """Wait until PostgreSQL serves a new connection beside the old ones."""
        await until(lambda: self._are_there(READERS + 2))

    async def _are_there(self, number: int) -> bool:
        return len(await rows(self.bench.url, OURS)) == number

    async def takes_units(self) -> bool:
        """Whether a unit is committed now."""
        return await outcome(self.bench.submit(put("a"))) is None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Callable[[float], Awaitable[float]]]:
        """Runs the service; what it gives turns the clock, and waits until it has looked."""
        task = asyncio.create_task(self.bench.db.recycling.run())
        assert await self.clock.asleep() == AGE_S

        async def turn(seconds: float) -> float:
            self.clock.advance(seconds)
            async with asyncio.timeout(30):
                pause = await self.clock.asleep()
            assert not task.done()
            return pause

        yield turn
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def old(postgres: Postgres | None) -> AsyncIterator[Recycled]:
    if postgres is None:
        need("postgres")
    opened = Recycled(await database("postgres", postgres, Path()))
    await opened.bench.open(READERS, AGE_S, opened.clock)
    yield opened
    async with asyncio.timeout(20):  # a connection that had leaked would be waited for
        await opened.bench.db.close()


@pytest.mark.postgres
async def test_under_load_all_are_replaced_and_nobody_notices(old: Recycled) -> None:
    bench, names = old.bench, [f"n{n}" for n in range(4)]
    for name in names:
        await bench.submit(put(name, "0"))
    moved, read, ending = dict.fromkeys(names, 0), dict.fromkeys(names, 0), asyncio.Event()
    more = asyncio.Condition()

    async def write(name: str) -> None:
        while not ending.is_set():
            work = move(name, str(moved[name]), str(moved[name] + 1))
            work.swap(Entry(name, 0), 1)
            work.publish(listed())
            await bench.submit(work, Request((name, f"r{moved[name]}"), "d"))
            moved[name] += 1

    async def look(name: str) -> None:
        while not ending.is_set():
            async with bench.db.reader.read_transaction() as reading:
                before = await reading.one(GET, name=name)
                await reading.one(NAP)
                assert await reading.one(GET, name=name) == before
            read[name] += 1
            await asyncio.sleep(0)  # others wait for the connection, too
            assert await bench.db.reader.one(GET, name=name) is not None
            await asyncio.sleep(0)
            async with more:
                more.notify_all()

    seen = await old.pids()
    assert sorted(seen.values()) == ["warroom reader"] * READERS + ["warroom writer"]
    async with old.running() as turn, asyncio.TaskGroup() as load:
        for name in names:
            load.create_task(write(name))
            load.create_task(look(name))
        for _ in range(5):
            assert await turn(AGE_S) == AGE_S
            now = await old.pids()
            assert len(now) == READERS + 1
            assert not seen.keys() & now.keys()
            seen |= now
            so_far = sum(read.values())
            async with more:
                await more.wait_for(lambda at=so_far: sum(read.values()) > at + NAPS)
        ending.set()
    assert {name: int((await bench.facts())[name]) for name in names} == moved
    assert await bench.seqs(LISTING) == list(range(1, sum(moved.values()) + 1))
    assert [seq for _, seq in bench.published] == list(range(1, sum(moved.values()) + 1))
    assert (bench.db.reader.open_connections, bench.db.reader.in_use) == (READERS, 0)


@pytest.mark.postgres
async def test_idle_ones_are_replaced_too(old: Recycled) -> None:
    before = await old.pids()
    async with old.running() as turn:
        assert await turn(AGE_S) == AGE_S
    after = await old.pids()
    assert not before.keys() & after.keys()
    assert sorted(before.values()) == sorted(after.values())


@pytest.mark.postgres
async def test_where_no_new_one_can_be_had_the_old_ones_go_on(
    old: Recycled, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(recycling, "log", said)
    bench, name = old.bench, old.bench.url.rpartition("/")[2]
    administer = bench.url.removesuffix(name) + "postgres"
    before = await old.pids()
    await rows(administer, f"alter database {name} with allow_connections false")
    async with old.running() as turn:
        assert await turn(AGE_S) == AGAIN_S
        assert [line[:2] for line in said.lines] == [("warning", "recycling_failed")] * 2
        await bench.submit(put("a"))
        for _ in range(READERS + 1):
            assert await bench.db.reader.one(GET, name="a") == ("1",)
        assert await turn(AGAIN_S) == AGAIN_S
        await rows(administer, f"alter database {name} with allow_connections true")
        assert await old.pids() == before
        assert await turn(AGAIN_S) == AGE_S
    assert said.lines[-1] == ("info", "recycled", {"connections": READERS + 1})
    assert not before.keys() & (await old.pids()).keys()
    assert await bench.db.reader.one(GET, name="a") == ("1",)
    await bench.submit(put("b"))


@pytest.mark.postgres
async def test_the_writer_keeps_its_connection_where_the_new_one_only_reads(old: Recycled) -> None:
    """So it is amid a fail-over, where the address leads to a standby."""
    bench, name = old.bench, old.bench.url.rpartition("/")[2]
    before = await old.pids()
    await rows(bench.url, f"alter database {name} set default_transaction_read_only = on")
    async with old.running() as turn:
        assert await turn(AGE_S) == AGAIN_S
        kept = before.keys() & (await old.pids()).keys()
        assert [before[pid] for pid in kept] == ["warroom writer"]
        await bench.submit(put("a"))


@pytest.mark.postgres
async def test_one_that_is_read_over_is_read_over_to_the_end(old: Recycled) -> None:
    reader = old.bench.db.reader
    await old.bench.submit(put("a"))
    async with reader.read_transaction() as reading:
        pid = await reading.one(PID)
        assert await reading.one(GET, name="a") == ("1",)
        replacing = asyncio.create_task(reader.recycle(math.inf))
        async with asyncio.timeout(20):
            while not reader._retired:
                await reading.one(NAP)
        await old.bench.submit(move("a", "1", "2"))
        assert await reading.one(GET, name="a") == ("1",)
        assert await reading.one(PID) == pid
        others = await asyncio.gather(*(reader.one(GET, name="a") for _ in range(10)))
        assert others == [("2",)] * 10
    assert await replacing == READERS
    assert pid is not None
    assert pid[0] not in await old.pids()


@pytest.mark.postgres
async def test_one_that_breaks_in_its_last_read_is_not_replaced_twice(old: Recycled) -> None:
    reader = old.bench.db.reader
    with pytest.raises(Unavailable):
        async with reader.read_transaction() as reading:
            pid = await reading.one(PID)
            assert pid is not None
            replacing = asyncio.create_task(reader.recycle(math.inf))
            async with asyncio.timeout(20):
                while not reader._retired:
                    await reading.one(NAP)
            await rows(old.bench.url, f"select pg_terminate_backend({pid[0]}, 10000)")
            await reading.one(NAP)
    assert await replacing == READERS
    assert (reader.open_connections, reader.in_use) == (READERS, 0)
    assert len(await old.pids()) == READERS + 1


@pytest.mark.postgres
@pytest.mark.parametrize("turns", [0, 1, 2, 5, 10, 20, 40])
async def test_recycling_that_is_cancelled_leaks_no_connection(old: Recycled, turns: int) -> None:
    """Cancelled after so many turns of the loop."""
    for part in (old.engine, old.bench.db.reader):
        task = asyncio.create_task(part.recycle(math.inf))
        for _ in range(turns):
            await asyncio.sleep(0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    await old.bench.submit(put("a"))
    assert await old.bench.db.reader.one(GET, name="a") == ("1",)


@pytest.mark.postgres
async def test_a_batch_ends_over_the_connection_that_it_began_on(old: Recycled) -> None:
    held = HeldCommit(old.bench)
    work = put("a")
    work.publish(listed())
    first = old.bench.submit(work)
    await held.reached.wait()
    before = await old.pids()
    replacing = asyncio.create_task(old.engine.recycle(math.inf))
    await old.one_more()
    second = old.bench.submit(put("b"))
    assert not first.done()
    held.let_go()
    await asyncio.gather(first, second)
    assert await replacing == 1
    gone = before.keys() - (await old.pids()).keys()
    assert [before[pid] for pid in gone] == ["warroom writer"]
    assert [seq for _, seq in old.bench.published] == [1]


@pytest.mark.postgres
async def test_a_connection_that_is_lost_meanwhile_comes_back_by_itself(old: Recycled) -> None:
    held = HeldCommit(old.bench)
    unit = old.bench.submit(put("a"))
    await held.reached.wait()
    replacing = asyncio.create_task(old.engine.recycle(math.inf))
    await old.one_more()
    await rows(old.bench.url, f"select pg_terminate_backend({old.engine._pid}, 10000)")
    held.let_go()
    assert await outcome(unit) is Unavailable
    assert await replacing == 0
    await until(old.takes_units)
    assert list((await old.pids()).values()).count("warroom writer") == 1


@on_both_engines
@pytest.mark.parametrize("age_s", [0, AGE_S])
async def test_nothing_grows_old_on_sqlite_or_where_it_is_not_wanted(
    engine: str, age_s: float, postgres: Postgres | None, tmp_path: Path
) -> None:
    clock = ManualClock()
    bench = Bench(await database(engine, postgres, tmp_path / "test.db"))
    await bench.open(READERS, age_s, clock)
    held = set(bench.db.reader._open)
    clock.advance(1e9)
    task = asyncio.create_task(bench.db.recycling.run())
    if engine == "postgres" and age_s:
        assert await clock.asleep() == AGE_S
        assert not held & set(bench.db.reader._open)
        task.cancel()
    else:
        async with asyncio.timeout(10):
            await task
        assert held == set(bench.db.reader._open)
    await asyncio.gather(task, return_exceptions=True)
    await bench.submit(put("a"))
    assert await bench.db.reader.one(GET, name="a") == ("1",)
    await bench.db.close()
