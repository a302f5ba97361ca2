"""The writer: group commit, and what becomes of units that fall."""

import asyncio

import pytest

from protocol.ids import uuid7
from protocol.players import Stamina, StaminaChanged
from server.database import ANY_NUMBER, Entry, Stale, Statement, Unavailable, Work
from server.database.work import MAX_ROWS
from tests.store.bench import (
    AT,
    GET,
    LISTING,
    PUT,
    SET,
    Bench,
    HeldCommit,
    HeldEngine,
    claimed,
    listed,
    move,
    outcome,
    put,
)
from tests.support.engines import on_both_engines

pytestmark = on_both_engines


GET_DATA = Statement("test.data", "select data from room_events where room = :room order by seq")


def stamina_changed() -> StaminaChanged:
    """An event that is not kept."""
    return StaminaChanged(player_id=uuid7(), stamina=Stamina(1, 2, AT, None, 1, 1.0))


async def test_units_that_wait_are_committed_together(bench: Bench) -> None:
    held = HeldEngine(bench.db)
    first = bench.submit(put("first"))
    await held.entered.wait()
    rest = [bench.submit(put(f"n{n}")) for n in range(50)]
    held.go.set()
    await asyncio.gather(first, *rest)
    assert held.batches == [1, 50]
    assert len(await bench.facts()) == 51


async def test_the_oldest_unit_that_waits_has_an_age(bench: Bench) -> None:
    writer = bench.db.writer
    assert writer.age == 0
    held = HeldEngine(bench.db)
    first = bench.submit(put("first"))
    await held.entered.wait()
    young = writer.age
    second = bench.submit(put("second"))
    # The one that is being carried out is the older one.
    assert 0 < young < writer.age
    held.go.set()
    await asyncio.gather(first, second)
    assert writer.age == 0


async def test_a_unit_whose_count_differs_falls_alone(bench: Bench) -> None:
    await bench.submit(put("a"))
    good, bad, after = put("before"), move("a", was="other", value="2"), put("after")
    bad.change(PUT, name="of the fallen", value="1")
    bad.publish(listed())
    ends = [await outcome(f) for f in [bench.submit(w) for w in (good, bad, after)]]
    assert ends == [None, Stale, None]
    assert await bench.facts() == {"a": "1", "before": "1", "after": "1"}
    assert bench.published == []


async def test_what_a_unit_did_before_it_fell_is_undone(bench: Bench) -> None:
    await bench.submit(put("a"))
    work = move("a", was="1", value="2")
    work.publish(listed())
    work.change(SET, name="a", was="1", value="3")
    assert await outcome(bench.submit(work)) is Stale
    assert await bench.facts() == {"a": "1"}
    assert await bench.seqs(LISTING) == []


async def test_a_unit_that_breaks_a_constraint_is_stale(bench: Bench) -> None:
    one, two = bench.submit(put("a", "1")), bench.submit(put("a", "2"))
    assert [await outcome(one), await outcome(two)] == [None, Stale]
    assert await bench.facts() == {"a": "1"}


async def test_a_statement_may_touch_any_number_of_rows(bench: Bench) -> None:
    work = Work(AT)
    work.change(SET, rows=ANY_NUMBER, name="nobody", was="1", value="2")
    await bench.submit(work)


@pytest.mark.parametrize("value", [2**63, "\ud800", object()], ids=["huge", "surrogate", "object"])
async def test_a_value_the_database_cannot_take_harms_its_own_unit_only(
    bench: Bench, value: object
) -> None:
    bad = Work(AT)
    bad.change(PUT, name="bad", value=value)
    units = [bench.submit(w) for w in (put("a"), bad, put("b"))]
    async with asyncio.timeout(10):
        ends = [await outcome(unit) for unit in units]
    assert ends[0] is ends[2] is None
    assert ends[1] is not None
    assert await bench.facts() == {"a": "1", "b": "1"}


async def test_units_built_on_a_fallen_copy_fall_too(bench: Bench) -> None:
    await bench.submit(put("a"))
    entry = Entry("a", "1")
    units = []
    for was, value in (("wrong", "2"), ("1", "3"), ("1", "4")):
        work = move("a", was=was, value=value)
        work.swap(entry, value)
        units.append(bench.submit(work))
    assert entry.in_flight == 3
    assert [await outcome(unit) for unit in units] == [Stale] * 3
    assert entry.broken
    assert entry.in_flight == 0
    assert entry.committed == "1"
    assert await bench.facts() == {"a": "1"}


async def test_units_of_a_later_batch_fall_with_what_they_were_built_on(bench: Bench) -> None:
    await bench.submit(put("a"))
    held = HeldEngine(bench.db)
    entry = Entry("a", "1")
    first = move("a", was="wrong", value="2")
    first.swap(entry, "2")
    one = bench.submit(first)
    await held.entered.wait()
    second = put("on top of it")
    second.swap(entry, "3")
    two = bench.submit(second)
    held.go.set()
    assert [await outcome(one), await outcome(two)] == [Stale, Stale]
    assert held.batches == [1, 1]
    assert await bench.facts() == {"a": "1"}


async def test_a_fall_reaches_through_a_shared_copy(bench: Bench) -> None:
    """One unit changed two states: both are undecided, and so is what stands on either."""
    one, two = Entry("one", "1"), Entry("two", "1")
    falls = move("nobody", was="1", value="2")
    falls.swap(one, "2")
    falls.swap(two, "2")
    stands_on_it = put("x")
    stands_on_it.swap(two, "3")
    units = [bench.submit(falls), bench.submit(stands_on_it), bench.submit(put("apart"))]
    assert [await outcome(unit) for unit in units] == [Stale, Stale, None]
    assert await bench.facts() == {"apart": "1"}


async def test_what_was_committed_before_a_fall_stands(bench: Bench) -> None:
    entry = Entry("a", "0")
    good = put("a", "1")
    good.swap(entry, "1")
    bad = move("a", was="wrong", value="2")
    bad.swap(entry, "2")
    units = [bench.submit(good), bench.submit(bad)]
    assert [await outcome(unit) for unit in units] == [None, Stale]
    assert (entry.committed, entry.broken) == ("1", True)


async def test_events_are_published_in_order_and_numbered_without_a_gap(bench: Bench) -> None:
    units = []
    for n in range(20):
        work = put(f"n{n}") if n % 3 else move("nobody", was="1", value="2")
        work.publish(listed())
        work.publish(listed())
        units.append(bench.submit(work))
    await asyncio.gather(*units, return_exceptions=True)
    numbers = [seq for _, seq in bench.published]
    assert numbers == list(range(1, 27))
    assert await bench.seqs(LISTING) == numbers
    stored = await bench.db.reader.all(GET_DATA, room=LISTING)
    assert [row[0] for row in stored] == [told.data.decode() for told, _ in bench.published]


async def test_nothing_is_published_before_the_commit(bench: Bench) -> None:
    held = HeldCommit(bench)
    entry = Entry("a", "0")
    work = put("a", "1")
    work.swap(entry, "1")
    work.publish(listed())
    unit = bench.submit(work)
    await held.reached.wait()
    assert bench.published == []
    assert (entry.pending, entry.committed) == ("1", "0")
    assert await bench.db.reader.one(GET, name="a") is None
    held.let_go()
    await unit
    assert [seq for _, seq in bench.published] == [1]
    assert entry.committed == "1"


async def test_an_event_is_published_before_its_reply(bench: Bench) -> None:
    work = put("a")
    work.publish(listed())
    unit = bench.submit(work)
    bench.on_publish = lambda: seen.append(unit.done())
    seen: list[bool] = []
    await unit
    assert seen == [False]


async def test_an_event_that_is_not_kept_has_no_number_and_no_row(bench: Bench) -> None:
    work = Work(AT)
    work.publish(claimed("b"), seq=1)
    work.publish(stamina_changed())
    work.publish(claimed("b"), seq=2)
    await bench.submit(work)
    assert [seq for _, seq in bench.published] == [1, None, 2]
    assert await bench.seqs("battle:b") == [1, 2]


async def test_a_publication_that_fails_takes_no_reply_with_it(bench: Bench) -> None:
    work = put("a")
    work.publish(listed())
    work.publish(listed())

    def fail() -> None:
        bench.on_publish = lambda: None
        raise RuntimeError("a room is broken")

    bench.on_publish = fail
    await bench.submit(work)
    await bench.submit(put("b"))
    assert [seq for _, seq in bench.published] == [2]


async def test_a_waiter_that_is_cancelled_does_not_cancel_its_unit(bench: Bench) -> None:
    held = HeldEngine(bench.db)
    entry = Entry("a", "0")
    work = put("a")
    work.swap(entry, "1")
    work.publish(listed())

    async def wait() -> None:
        await bench.submit(work)

    task = asyncio.create_task(wait())
    await held.entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.go.set()
    await bench.submit(put("later"))
    assert await bench.facts() == {"a": "1", "later": "1"}
    assert (entry.committed, entry.in_flight, len(bench.published)) == ("1", 0, 1)


async def test_closing_commits_what_is_queued(bench: Bench) -> None:
    units = [bench.submit(put(f"n{n}")) for n in range(2000)]
    await bench.db.close()
    assert all(unit.done() and unit.exception() is None for unit in units)
    await bench.open()
    assert len(await bench.facts()) == 2000


async def test_a_closing_writer_takes_nothing_more(bench: Bench) -> None:
    closing = asyncio.create_task(bench.db.writer.close())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        bench.submit(put("too late"))
    await closing
    await bench.db.reader.close()
    await bench.open()
    assert await bench.facts() == {}


async def test_a_unit_that_is_too_large_is_refused_before_it_is_queued(bench: Bench) -> None:
    entry = Entry("a", "0")
    work = Work(AT)
    for n in range(MAX_ROWS):
        work.change(PUT, name=f"n{n}", value="1")
    with pytest.raises(ValueError, match="at most"):
        work.change(PUT, name="one too many", value="1")
    work.swap(entry, "1")
    work.publish(listed())
    with pytest.raises(ValueError, match="at most"):
        bench.submit(work)
    assert (entry.pending, entry.in_flight) == ("0", 0)


async def test_the_epoch_outlives_the_process(bench: Bench) -> None:
    epoch = bench.db.epoch
    await bench.db.close()
    assert (await bench.open()).db.epoch == epoch
