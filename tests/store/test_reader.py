"""Readers: moments, and what cancelling leaves behind."""

import asyncio

import pytest

from server.database import Statement
from server.database.reader import WAIT_S
from tests.store.bench import GET, Bench, move, put
from tests.support.engines import on_both_engines

pytestmark = on_both_engines


READERS = 2  # as many as `bench` has

SLOW = Statement(
    "test.slow",
    "with recursive n(i) as (select 1 union all select i + 1 from n where i < :most)"
    " select count(*) from n",
)


async def read_all_at_once(bench: Bench) -> list[object]:
    """Read in a moment over every connection at the same time."""
    inside = asyncio.Barrier(READERS)

    async def read() -> object:
        async with bench.db.reader.read_transaction() as reading:
            await inside.wait()
            row = await reading.one(GET, name="a")
            assert row is not None
            return row[0]

    async with asyncio.timeout(10):
        return list(await asyncio.gather(*(read() for _ in range(READERS))))


async def test_a_moment_stays_as_it_was_while_the_writer_commits(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    async with bench.db.reader.read_transaction() as reading:
        assert await reading.one(GET, name="a") == ("1",)
        await bench.submit(move("a", was="1", value="2"))
        assert await reading.one(GET, name="a") == ("1",)
        assert await bench.db.reader.one(GET, name="a") == ("2",)
    async with bench.db.reader.read_transaction() as reading:
        assert await reading.one(GET, name="a") == ("2",)


async def test_a_moment_that_fails_gives_its_connection_back(bench: Bench) -> None:
    await bench.submit(put("a"))
    for _ in range(READERS + 1):
        with pytest.raises(LookupError, match="mine"):
            async with bench.db.reader.read_transaction() as reading:
                await reading.one(GET, name="a")
                raise LookupError("mine")
    assert bench.db.reader.in_use == 0
    assert await read_all_at_once(bench) == ["1"] * READERS


async def test_a_statement_that_fails_gives_its_connection_back(bench: Bench) -> None:
    await bench.submit(put("a"))
    wrong = Statement("test.wrong", "select 1 from nowhere")
    for _ in range(READERS + 1):
        with pytest.raises(Exception, match="nowhere"):
            await bench.db.reader.all(wrong)
    assert await read_all_at_once(bench) == ["1"] * READERS


@pytest.mark.parametrize("steps", range(8))
async def test_cancelled_moments_leak_no_connection(bench: Bench, steps: int) -> None:
    """Cancelled after so many turns of the loop: waiting, beginning, reading, or ending."""
    await bench.submit(put("a", "1"))

    async def read() -> None:
        async with bench.db.reader.read_transaction() as reading:
            await reading.one(SLOW, most=1000)

    tasks = [asyncio.create_task(read()) for _ in range(50)]
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert bench.db.reader.in_use == 0
    await bench.submit(move("a", was="1", value="2"))
    assert await read_all_at_once(bench) == ["2"] * READERS


@pytest.mark.parametrize("place", ["begin", "all", "end"])
async def test_a_moment_cancelled_anywhere_leaves_no_transaction(
    bench: Bench, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.submit(put("a", "1"))
    reading_task: asyncio.Task[None]
    connection = await bench.db.reader._free.take(WAIT_S)
    bench.db.reader._free.put(connection)
    real = getattr(connection, place)

    async def cancelled_here(*args: object, **kwargs: object) -> object:
        monkeypatch.undo()
        reading_task.cancel()
        return await real(*args, **kwargs)

    monkeypatch.setattr(connection, place, cancelled_here)

    async def read() -> None:
        async with bench.db.reader.read_transaction() as reading:
            await reading.all(GET, name="a")

    reading_task = asyncio.create_task(read())
    with pytest.raises(asyncio.CancelledError):
        await reading_task
    await bench.submit(move("a", was="1", value="2"))
    assert await read_all_at_once(bench) == ["2"] * READERS


async def test_nobody_gets_a_connection_before_its_transaction_has_ended(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = bench.db.reader
    connection = await reader._free.take(WAIT_S)
    reader._free.put(connection)
    real, ending, go_on = connection.end, asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        ending.set()
        await go_on.wait()
        await real()

    async def read() -> None:
        async with reader.read_transaction() as reading:
            await reading.all(GET, name="a")

    monkeypatch.setattr(connection, "end", slowly)
    task = asyncio.create_task(read())
    await ending.wait()
    for _ in range(2):  # whoever waits for it may be impatient twice
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=0)
        assert not done
        assert reader.in_use == 1
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reader.in_use == 0


async def test_cancelled_reads_leak_no_connection(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    tasks = [asyncio.create_task(bench.db.reader.all(SLOW, most=10_000)) for _ in range(50)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert bench.db.reader.in_use == 0
    assert await read_all_at_once(bench) == ["1"] * READERS


async def test_whoever_finds_no_free_connection_waits_for_one(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    async with bench.db.reader.read_transaction(), bench.db.reader.read_transaction():
        assert bench.db.reader.in_use == READERS
        waiting = asyncio.create_task(bench.db.reader.one(GET, name="a"))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert bench.db.reader.waiting == 1
    assert await waiting == ("1",)
    assert (bench.db.reader.in_use, bench.db.reader.waiting) == (0, 0)


async def test_a_missing_value_is_named(bench: Bench) -> None:
    with pytest.raises(KeyError, match="name"):
        await bench.db.reader.one(GET)
