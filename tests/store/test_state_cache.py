"""Cached entries: what stands, what runs ahead, what is loaded anew."""

import asyncio

import pytest

from server.database import Entry, Stale, StateCache
from tests.store.bench import GET, Bench, HeldCommit, move, outcome, put


def cached_facts(bench: Bench, limit: int = 10) -> StateCache[str]:
    """Cached entries of the facts."""

    async def load(name: str) -> str | None:
        row = await bench.db.reader.one(GET, name=name)
        return None if row is None else str(row[0])

    return StateCache(load, limit)


async def entry_of(cache: StateCache[str], key: str) -> Entry[str]:
    """The entry of a key that is there."""
    entry = await cache.get(key)
    assert entry is not None
    return entry


def change(
    bench: Bench, entry: Entry[str], value: str, was: str | None = None
) -> asyncio.Future[None]:
    """Submit a unit decided on the pending state of an entry."""
    work = move(entry.key, was=entry.pending if was is None else was, value=value)
    work.swap(entry, value)
    return bench.submit(work)


async def test_a_state_is_loaded_once_however_many_ask() -> None:
    loads: list[str] = []
    go = asyncio.Event()

    async def load(key: str) -> str:
        loads.append(key)
        await go.wait()
        return key.upper()

    cache = StateCache(load, 10)
    asking = [asyncio.create_task(cache.get("a")) for _ in range(20)]
    await asyncio.sleep(0)
    go.set()
    entries = await asyncio.gather(*asking)
    assert loads == ["a"]
    assert len({id(entry) for entry in entries}) == 1
    assert entries[0] is await cache.get("a")
    assert loads == ["a"]


async def test_whoever_gives_up_asking_does_not_stop_the_others() -> None:
    go = asyncio.Event()

    async def load(key: str) -> str:
        await go.wait()
        return key

    cache = StateCache(load, 10)
    one, two = asyncio.create_task(cache.get("a")), asyncio.create_task(cache.get("a"))
    await asyncio.sleep(0)
    one.cancel()
    with pytest.raises(asyncio.CancelledError):
        await one
    go.set()
    entry = await two
    assert entry is not None


async def test_a_load_that_fails_is_tried_again() -> None:
    answers = [OSError("away"), "there"]

    async def load(_: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    cache = StateCache(load, 10)
    with pytest.raises(OSError, match="away"):
        await cache.get("a")
    assert (await entry_of(cache, "a")).pending == "there"


async def test_what_is_not_there_is_looked_for_again(bench: Bench) -> None:
    cache = cached_facts(bench)
    assert await cache.get("a") is None
    await bench.submit(put("a"))
    assert (await entry_of(cache, "a")).committed == "1"


async def test_the_tip_runs_ahead_of_what_is_committed(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    cache = cached_facts(bench)
    entry = await entry_of(cache, "a")
    commit = HeldCommit(bench)
    units = [change(bench, entry, "2"), change(bench, entry, "3")]
    await commit.reached.wait()
    assert (entry.pending, entry.committed, entry.in_flight) == ("3", "1", 2)
    commit.let_go()
    await asyncio.gather(*units)
    assert (entry.pending, entry.committed, entry.in_flight) == ("3", "3", 0)
    assert await bench.facts() == {"a": "3"}


async def test_a_broken_copy_is_loaded_anew(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    cache = cached_facts(bench)
    entry = await entry_of(cache, "a")
    assert await outcome(change(bench, entry, "2", was="wrong")) is Stale
    assert cache.peek("a") is None
    assert list(cache) == []
    fresh = await entry_of(cache, "a")
    assert fresh is not entry
    assert (fresh.pending, fresh.committed) == ("1", "1")
    await change(bench, fresh, "2")
    assert await bench.facts() == {"a": "2"}


async def test_a_broken_copy_is_loaded_with_what_is_just_being_committed(bench: Bench) -> None:
    """Of one batch a unit stands and the next one falls. Whoever reads while it is committed must
    not be shown the state before it for good."""
    await bench.submit(put("a", "1"))
    cache = cached_facts(bench)
    entry = await entry_of(cache, "a")
    commit = HeldCommit(bench)
    good, bad = change(bench, entry, "2"), change(bench, entry, "3", was="wrong")
    await commit.reached.wait()
    assert entry.broken
    asking = asyncio.create_task(entry_of(cache, "a"))
    await bench.db.reader.one(GET, name="a")  # time for a load that does not wait
    await bench.db.reader.one(GET, name="a")
    commit.let_go()
    assert [await outcome(good), await outcome(bad)] == [None, Stale]
    fresh = await asking
    assert fresh is await entry_of(cache, "a")
    assert fresh.committed == "2"


async def test_a_copy_dropped_in_flight_is_loaded_with_what_was_in_flight(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    cache = cached_facts(bench)
    commit = HeldCommit(bench)
    unit = change(bench, await entry_of(cache, "a"), "2")
    await commit.reached.wait()
    cache.drop("a")
    assert cache.peek("a") is None
    asking = asyncio.create_task(entry_of(cache, "a"))
    await bench.db.reader.one(GET, name="a")
    await bench.db.reader.one(GET, name="a")
    commit.let_go()
    await unit
    assert (await asking).committed == "2"


async def test_a_dropped_copy_is_loaded_anew(bench: Bench) -> None:
    await bench.submit(put("a", "1"))
    cache = cached_facts(bench)
    await entry_of(cache, "a")
    await bench.submit(move("a", was="1", value="2"))  # by somebody who knows nothing of entries
    cache.drop("a")
    cache.drop("never held")
    assert len(cache) == 0
    assert (await entry_of(cache, "a")).committed == "2"


async def test_the_least_used_entries_go_first() -> None:
    async def load(key: str) -> str:
        return key

    cache = StateCache(load, 3)
    for key in "abc":
        await cache.get(key)
    await cache.get("a")
    await cache.get("d")
    assert [entry.key for entry in cache] == ["c", "a", "d"]


async def test_a_copy_in_flight_is_spared() -> None:
    async def load(key: str) -> str:
        return key

    cache = StateCache(load, 2)
    first = await entry_of(cache, "a")
    first.in_flight = 1
    for key in "bcd":
        await cache.get(key)
    assert [entry.key for entry in cache] == ["a", "d"]
    assert await cache.get("a") is first
