"""The writer on SQLite: locks of other processes, a COMMIT that is refused, a full disk."""

import asyncio
from contextlib import closing

import pytest

from server.database import ANY_NUMBER, Entry, Statement, Unavailable, connect, sqlite
from server.runtime.clock import SystemClock
from server.runtime.metrics import Metrics
from tests.store.bench import Bench, NoCommit, listed, outcome, put

DEFER = Statement("test.defer", "pragma defer_foreign_keys = on")
ORPHAN = Statement("test.orphan", "insert into children (parent) values ('nobody')")


async def test_a_commit_that_fails_makes_all_unavailable_and_the_writer_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 0)
    entries = [Entry(str(n), "0") for n in range(3)]
    with_lock = bench.outsider()
    with_lock.execute("begin immediate")
    units = []
    for n, entry in enumerate(entries):
        work = put(f"n{n}")
        work.swap(entry, "1")
        work.publish(listed())
        units.append(bench.submit(work))
    assert [await outcome(unit) for unit in units] == [Unavailable] * 3
    assert all(entry.broken and not entry.in_flight for entry in entries)
    assert [entry.committed for entry in entries] == ["0"] * 3
    assert bench.published == []
    with_lock.execute("rollback")
    with_lock.close()
    await bench.submit(put("after"))
    assert await bench.facts() == {"after": "1"}


async def test_a_commit_refused_at_its_end_makes_all_unavailable(bench: Bench) -> None:
    """Every statement went well; SQLite finds the broken reference only at COMMIT."""
    with closing(bench.outsider()) as connection:
        connection.execute("create table parents (id text primary key)")
        connection.execute("create table children (parent text references parents (id))")
    orphan, good = put("orphan"), put("good")
    orphan.change(DEFER, rows=ANY_NUMBER)
    orphan.change(ORPHAN)
    entry = Entry("a", "0")
    good.swap(entry, "1")
    good.publish(listed())
    units = [bench.submit(orphan), bench.submit(good)]
    assert [await outcome(unit) for unit in units] == [Unavailable] * 2
    assert (entry.broken, bench.published) == (True, [])
    await bench.submit(put("after"))
    assert await bench.facts() == {"after": "1"}


async def test_a_full_disk_makes_all_unavailable_and_leaves_nothing_half_done(
    bench: Bench,
) -> None:
    await bench.submit(put("before"))
    engine = bench.db.writer._engine
    (pages,) = engine._connection.execute("pragma page_count").fetchone()
    engine._connection.execute(f"pragma max_page_count = {pages}")
    small, large = put("small"), put("large", "x" * 1_000_000)
    for work in (small, large):
        work.publish(listed())
    units = [bench.submit(small), bench.submit(large)]
    assert [await outcome(unit) for unit in units] == [Unavailable] * 2
    assert bench.published == []
    assert await bench.facts() == {"before": "1"}
    engine._connection.execute("pragma max_page_count = 1000000")
    await bench.submit(put("after"))
    assert await bench.facts() == {"before": "1", "after": "1"}


async def test_the_loop_goes_on_while_another_process_holds_the_lock(bench: Bench) -> None:
    with_lock = bench.outsider()
    with_lock.execute("begin immediate")
    unit = bench.submit(put("a"))
    for _ in range(5):
        await asyncio.sleep(0)
    with_lock.execute("rollback")  # this line is only reached while the writer waits elsewhere
    with_lock.close()
    await unit
    assert await bench.facts() == {"a": "1"}


async def test_what_is_no_database_is_refused() -> None:
    with pytest.raises(ValueError, match="SQLite"):
        await connect(
            "mysql://there",
            readers=1,
            recycle_s=0,
            publish=print,
            metrics=Metrics(),
            clock=SystemClock(),
        )


async def test_a_commit_that_is_refused_makes_all_unavailable(bench: Bench) -> None:
    entry = Entry("a", "0")
    first, second = put("first"), put("second")
    for work in (first, second):
        work.swap(entry, "1")
        work.publish(listed())
    with NoCommit(bench):
        units = [bench.submit(first), bench.submit(second)]
        assert [await outcome(unit) for unit in units] == [Unavailable] * 2
    assert (entry.broken, entry.committed, bench.published) == (True, "0", [])
    await bench.submit(put("after"))
    assert await bench.facts() == {"after": "1"}
