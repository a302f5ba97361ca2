"""Hot copies: what stands, what runs ahead, what is loaded anew."""

import asyncio

import pytest

from server.database import Copy, Hot, Stale
from tests.store.bench import GET, Bench, HeldCommit, move, outcome, put


def hot_facts(bench: Bench, limit: int = 10) -> Hot[str]:
    """Hot copies of the facts."""

    async def load(name: str) -> str | None:
        row = await bench.db.reader.one(GET, name=name)
        return None if row is None else str(row[0])

    return Hot(load, limit)


async def held(hot: Hot[str], key: str) -> Copy[str]:
    """The copy of a key that is there."""
    copy = await hot.get(key)
    assert copy is not None
    return copy


def change(
    bench: Bench, copy: Copy[str], value: str, was: str | None = None
) -> asyncio.Future[None]:
    """Submit a unit decided on the tip of a copy."""
    work = move(copy.key, was=copy.tip if was is None else was, value=value)
    work.swap(copy, value)
    return bench.submit(work)


async def test_a_state_is_loaded_once_however_many_ask() -> None:
    loads: list[str] = []
    go = asyncio.Event()

    async def load(key: str) -> str:
        loads.append(key)
        await go.wait()
        return key.upper()

    hot = Hot(load, 10)
    asking = [asyncio.create_task(hot.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    copies = await asyncio.gather(*asking)
    assert loads == ["a"]
    assert len({id(copy) for copy in copies}) == 1
    assert copies[0] is await hot.get("a")
    assert loads == ["a"]


async def test_whoever_gives_up_asking_does_not_stop_the_others() -> None:
    go = asyncio.Event()

    async def load(key: str) -> str:
        await go.wait()
        return key

    hot = Hot(load, 10)
    one, two = asyncio.create_task(hot.get("a")), asyncio.create_task(hot.get("a"))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    go.set()
    copy = await two
    assert copy is not None


async def test_a_load_that_fails_is_tried_again() -> None:
    answers = [OSError("away"), "there"]

    async def load(_: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    hot = Hot(load, 10)
    with pytest.raises(OSError, match="away"):
        await hot.get("a")
    assert (await held(hot, "a")).tip == "there"


async def test_what_is_not_there_is_looked_for_again(bench: Bench) -> None:
    hot = hot_facts(bench)
    assert await hot.get("a") is None
    await bench.submit(put("a"))
    assert (await held(hot, "a")).committed == "1"


async def test_the_tip_runs_ahead_of_what_is_committed(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    hot = hot_facts(bench)
    copy = await held(hot, "a")
    commit = HeldCommit(bench)
    units = [change(bench, copy, "2"), change(bench, copy, "3")]
    await commit.reached.wait()
    assert (copy.tip, copy.committed, copy.in_flight) == ("3", "1", 2)
    commit.let_go()
    await asyncio.gather(*units)
    assert (copy.tip, copy.committed, copy.in_flight) == ("3", "3", 0)
    assert await bench.facts() == {"a": "3"}


async def test_a_broken_copy_is_loaded_anew(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    hot = hot_facts(bench)
    copy = await held(hot, "a")
    assert await outcome(change(bench, copy, "2", was="wrong")) is Stale
    assert hot.peek("a") is None
    assert list(hot) == []
    fresh = await held(hot, "a")
    assert fresh is not copy
    assert (fresh.tip, fresh.committed) == ("1", "1")
    await change(bench, fresh, "2")
    assert await bench.facts() == {"a": "2"}


async def test_a_broken_copy_is_loaded_with_what_is_just_being_committed(bench: Bench) -> None:
    """Of one batch a unit stands and the next one falls. Whoever reads while it is committed must
    not be shown the state before it for good."""
    await bench.submit(put("a", "1"))
    hot = hot_facts(bench)
    copy = await held(hot, "a")
    commit = HeldCommit(bench)
    good, bad = change(bench, copy, "2"), change(bench, copy, "3", was="wrong")
    await commit.reached.wait()
    assert copy.broken
    asking = asyncio.create_task(held(hot, "a"))
    await bench.db.reader.one(GET, name="a")  # time for a load that does not wait
    await bench.db.reader.one(GET, name="a")
    commit.let_go()
    assert [await outcome(good), await outcome(bad)] == [None, Stale]
    fresh = await asking
    assert fresh is await held(hot, "a")
    assert fresh.committed == "2"


async def test_a_copy_dropped_in_flight_is_loaded_with_what_was_in_flight(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    hot = hot_facts(bench)
    commit = HeldCommit(bench)
    unit = change(bench, await held(hot, "a"), "2")
    await commit.reached.wait()
    hot.drop("a")
    assert hot.peek("a") is None
    asking = asyncio.create_task(held(hot, "a"))
    await bench.db.reader.one(GET, name="a")
    await bench.db.reader.one(GET, name="a")
    commit.let_go()
    await unit
    assert (await asking).committed == "2"


async def test_a_dropped_copy_is_loaded_anew(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    hot = hot_facts(bench)
    await held(hot, "a")
    await bench.submit(move("a", was="1", value="2"))  # by somebody who knows nothing of copies
    hot.drop("a")
    hot.drop("never held")
    assert len(hot) == 0
    assert (await held(hot, "a")).committed == "2"


async def test_the_least_used_copies_go_first() -> None:
    async def load(key: str) -> str:
        return key

    hot = Hot(load, 3)
    for key in "abc":
        await hot.get(key)
    await hot.get("a")
    await hot.get("d")
    assert [copy.key for copy in hot] == ["c", "a", "d"]


async def test_a_copy_in_flight_is_spared() -> None:
    async def load(key: str) -> str:
        return key

    hot = Hot(load, 2)
    first = await held(hot, "a")
    first.in_flight = 1
    for key in "bcd":
        await hot.get(key)
    assert [copy.key for copy in hot] == ["a", "d"]
    assert await hot.get("a") is first
