"""Due moments, on a clock that the test turns."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from server.database import Due, Stale, Unavailable, WriteConflict
from server.database.due import AFTER_FAULT_MS, AT_ONCE, MAX_SLEEP_S, PASS_EVERY_S
from server.runtime.background import PUT_OFF_S
from tests.support.clock import START_MS, ManualClock

LONGEST_MS = 300_000
Deed = Callable[[str], Exception | None]


class Bench:
    """Due moments, and a function that writes down for what it is called.

    `deed` says what each call raises; a key is cleared by a call that raises nothing.
    """

    def __init__(self, deed: Deed = lambda _: None, longest_ms: int = LONGEST_MS) -> None:
        self.clock = ManualClock()
        self.due = Due("bench", self.clock, longest_ms=longest_ms)
        self.deed = deed
        self.acted: list[tuple[str, int]] = []

    @property
    def now(self) -> int:
        """How much time has passed, in milliseconds."""
        return self.clock.now_ms() - START_MS

    def set(self, **moments: int) -> None:
        """Set moments, in milliseconds from the start."""
        for key, at in moments.items():
            self.due.set(key, START_MS + at)

    async def act(self, key: str) -> None:
        """What the service calls."""
        self.acted.append((key, self.now))
        if (fault := self.deed(key)) is not None:
            raise fault
        self.due.clear(key)

    async def passes(self, seconds: float) -> list[str]:
        """Turn the clock and act once. Returns on what."""
        before = len(self.acted)
        self.clock.advance(seconds)
        await self.due.act_once(self.act)
        return [key for key, _ in self.acted[before:]]

    @asynccontextmanager
    async def running(self, pause_s: float = PASS_EVERY_S) -> AsyncIterator[None]:
        """The service runs, has acted for the first time, and pauses."""
        task = asyncio.create_task(self.due.run(self.act))
        assert await self.clock.asleep() == pause_s
        yield
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def sleeps_for(self) -> float:
        """Let the pause between two passes end. Returns for how long it sleeps then."""
        self.clock.advance(PASS_EVERY_S)
        return await self.clock.asleep()


async def test_what_is_due_is_acted_on_the_earliest_first() -> None:
    bench = Bench()
    bench.set(c=3000, a=1000, b=2000, d=3001)
    assert await bench.passes(0.999) == []
    assert await bench.passes(2.001) == ["a", "b", "c"]
    assert await bench.passes(0) == []
    assert await bench.passes(0.001) == ["d"]
    assert len(bench.due) == 0


async def test_it_sleeps_until_the_earliest_moment_and_no_longer() -> None:
    bench = Bench()
    bench.set(late=9000, soon=5000)
    async with bench.running():
        assert await bench.sleeps_for() == 5 - PASS_EVERY_S
        bench.clock.advance(5 - PASS_EVERY_S)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert bench.acted == [("soon", 5000)]
        assert await bench.sleeps_for() == 4 - PASS_EVERY_S


async def test_with_nothing_to_do_it_sleeps_until_a_moment_is_set() -> None:
    bench = Bench()
    async with bench.running():
        bench.clock.advance(PASS_EVERY_S)
        bench.set(first=1000)
        assert await bench.clock.asleep() == 1 - PASS_EVERY_S
    assert bench.acted == []


async def test_an_earlier_moment_wakes_it_and_a_later_one_does_not() -> None:
    bench = Bench()
    bench.set(late=9000)
    async with bench.running():
        assert await bench.sleeps_for() == 9 - PASS_EVERY_S
        bench.set(later=10_000)
        bench.set(soon=2000)
        assert await bench.clock.asleep() == 2 - PASS_EVERY_S
        bench.due.set("now", 0)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert bench.acted == [("now", 200)]


async def test_what_falls_due_after_a_pass_is_gathered() -> None:
    """500 battles a second would be 500 commits."""
    bench = Bench()
    bench.set(a=1000, b=1001, c=1199)
    async with bench.running():
        assert await bench.sleeps_for() == 1 - PASS_EVERY_S
        bench.clock.advance(1 - PASS_EVERY_S)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert bench.acted == [("a", 1000)]
        bench.clock.advance(PASS_EVERY_S)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert bench.acted[1:] == [("b", 1200), ("c", 1200)]


async def test_a_key_that_is_cleared_is_not_acted_on() -> None:
    bench = Bench()
    bench.set(a=1000, b=1000)
    bench.due.clear("a")
    bench.due.clear("never set")
    assert "a" not in bench.due
    assert bench.due.at("a") is None
    assert await bench.passes(10) == ["b"]


async def test_a_key_that_is_cleared_wakes_nobody() -> None:
    bench = Bench()
    bench.set(a=1000, b=5000)
    bench.due.clear("a")
    async with bench.running():
        assert await bench.sleeps_for() == 5 - PASS_EVERY_S


async def test_a_key_that_is_cleared_or_moved_in_a_pass_is_not_acted_on() -> None:
    bench = Bench()
    keys = [f"k{n:03}" for n in range(AT_ONCE + 2)]

    def deed(key: str) -> Exception | None:
        if key == keys[0]:
            bench.due.clear(keys[-1])
            bench.set(**{keys[-2]: 60_000})
        return None

    bench.deed = deed
    bench.set(**dict.fromkeys(keys, 0))
    assert await bench.passes(0) == keys[:-2]
    assert await bench.passes(59.999) == []
    assert await bench.passes(0.001) == keys[-2:-1]


async def test_a_moment_that_is_set_again_counts_instead_of_the_first() -> None:
    bench = Bench()
    bench.set(a=1000)
    bench.set(a=5000)
    assert await bench.passes(4.999) == []
    bench.set(a=4999)
    assert await bench.passes(0) == ["a"]


async def test_moments_that_were_replaced_take_no_memory() -> None:
    bench = Bench()
    for n in range(10_000):
        bench.set(a=n, b=n)
    assert len(bench.due._heap) <= 2 * AT_ONCE
    assert sorted(await bench.passes(10)) == ["a", "b"]


@pytest.mark.parametrize("fault", [Stale("x"), WriteConflict()])
async def test_what_is_stale_is_still_due_at_the_next_pass(fault: Exception) -> None:
    bench = Bench(lambda key: fault if key == "a" else None)
    bench.set(a=0, b=0)
    async with bench.running():
        assert bench.acted == [("a", 0), ("b", 0)]
        bench.deed = lambda _: None
        bench.clock.advance(PASS_EVERY_S)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert bench.acted[2:] == [("a", 200)]
    assert len(bench.due) == 0


async def test_what_decided_nothing_is_looked_at_again_but_not_at_once() -> None:
    """As where the end of a battle was not committed after all."""
    bench = Bench()

    async def look(key: str) -> None:
        bench.acted.append((key, bench.now))

    bench.act = look  # type: ignore[method-assign]
    bench.set(a=0)
    async with bench.running():
        assert await bench.sleeps_for() == PASS_EVERY_S
    assert bench.acted == [("a", 0), ("a", 200)]


@pytest.mark.parametrize("longest_ms", [LONGEST_MS, 1000])
async def test_a_fault_in_one_stops_no_other_and_is_put_off_by_a_minute(longest_ms: int) -> None:
    bench = Bench(lambda key: ValueError("broken") if key == "a" else None, longest_ms)
    bench.set(a=0, b=0)
    assert await bench.passes(0) == ["a", "b"]
    assert bench.due.at("a") == START_MS + AFTER_FAULT_MS
    assert await bench.passes(AFTER_FAULT_MS / 1000 - 0.001) == []
    assert await bench.passes(0.001) == ["a"]


async def test_a_moment_that_is_set_after_a_fault_counts() -> None:
    bench = Bench(lambda _: ValueError("broken"))
    bench.set(a=0)
    await bench.passes(0)
    bench.set(a=3000)
    assert await bench.passes(3) == ["a"]


async def test_a_key_that_is_cleared_by_what_fails_stays_cleared() -> None:
    bench = Bench()

    def deed(key: str) -> Exception:
        bench.due.clear(key)
        return ValueError("broken")

    bench.deed = deed
    bench.set(a=0)
    assert await bench.passes(0) == ["a"]
    assert "a" not in bench.due


async def test_while_the_database_is_away_all_stays_due() -> None:
    bench = Bench(lambda _: Unavailable("away"))
    keys = [f"k{n:03}" for n in range(3 * AT_ONCE)]
    bench.set(**dict.fromkeys(keys, 0))
    async with bench.running(PUT_OFF_S):
        assert bench.acted == [(keys[0], 0)]  # no other is tried in vain
        bench.deed = lambda _: None
        bench.acted.clear()
        bench.clock.advance(PUT_OFF_S)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert [key for key, _ in bench.acted] == keys
        assert {at for _, at in bench.acted} == {1000}
    assert len(bench.due) == 0


async def test_what_had_begun_when_the_database_went_away_is_ended() -> None:
    bench, failed, go_on = Bench(), asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def act(key: str) -> None:
        bench.acted.append((key, bench.now))
        if len(bench.acted) == 2:
            failed.set()
            raise Unavailable("away")
        await go_on.wait()
        ended.append(key)
        bench.due.clear(key)

    keys = [f"k{n:03}" for n in range(AT_ONCE + 1)]
    bench.set(**dict.fromkeys(keys, 0))
    task = asyncio.create_task(bench.due.act_once(act))
    await failed.wait()
    go_on.set()
    with pytest.raises(Unavailable):
        await task
    assert ended == [keys[0]]
    assert len(bench.acted) == 2
    bench.acted.clear()
    assert await bench.passes(0) == keys[1:]


async def test_who_acts_once_is_told_that_the_database_is_away() -> None:
    bench = Bench(lambda _: Unavailable("away"))
    bench.set(a=0)
    with pytest.raises(Unavailable):
        await bench.passes(0)
    bench.deed = lambda _: None
    assert await bench.passes(0) == ["a"]


@pytest.mark.parametrize("count", [1, AT_ONCE, 3 * AT_ONCE])
async def test_so_many_are_acted_on_at_once(count: int) -> None:
    bench, go_on = Bench(), asyncio.Event()
    under_way = most = 0

    async def act(key: str) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if most == min(count, AT_ONCE):
            go_on.set()
        await go_on.wait()
        await asyncio.sleep(0)  # others may begin before this one ends
        under_way -= 1
        bench.due.clear(key)

    bench.set(**{f"k{n}": 0 for n in range(count)})
    async with asyncio.timeout(10):
        await bench.due.act_once(act)
    assert most == min(count, AT_ONCE)
    assert len(bench.due) == 0


async def test_set_forward_the_clock_makes_due_what_it_has_passed() -> None:
    bench = Bench()
    bench.set(a=60_000, b=200_000)
    async with bench.running():
        assert await bench.sleeps_for() == 60 - PASS_EVERY_S
        bench.clock.set(100)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert [key for key, _ in bench.acted] == ["a"]
        assert await bench.sleeps_for() == min(MAX_SLEEP_S, 100 - PASS_EVERY_S - PASS_EVERY_S)


async def test_nothing_waits_for_a_clock_that_was_set_back() -> None:
    bench = Bench()
    bench.set(a=60_000)
    async with bench.running():
        assert await bench.sleeps_for() == 60 - PASS_EVERY_S
        bench.clock.set(-3600)
        assert await bench.clock.asleep() == PASS_EVERY_S
        assert [key for key, _ in bench.acted] == ["a"]


async def test_a_clock_that_was_set_back_a_little_is_waited_for() -> None:
    bench = Bench()
    bench.set(a=60_000)
    bench.clock.set(-LONGEST_MS / 1000 + 60)
    assert await bench.passes(LONGEST_MS / 1000 - 0.001) == []
    assert await bench.passes(0.001) == ["a"]


async def test_a_moment_of_before_the_clock_was_set_back_is_due_when_it_is_set() -> None:
    """As one that is read at start."""
    bench = Bench()
    bench.set(far=LONGEST_MS, too_far=LONGEST_MS + 1)
    assert await bench.passes(0) == ["too_far"]


async def test_without_a_furthest_moment_any_is_waited_for() -> None:
    bench = Bench()
    bench.due = Due("bench", bench.clock)
    bench.set(a=7_200_000)
    bench.clock.set(-3600)
    assert await bench.passes(3 * 3600 - 0.001) == []
    assert await bench.passes(0.001) == ["a"]


async def test_a_long_sleep_is_cut_as_wall_time_may_run_faster() -> None:
    bench = Bench()
    bench.set(a=200_000)
    async with bench.running():
        assert await bench.sleeps_for() == MAX_SLEEP_S
        bench.clock.advance(MAX_SLEEP_S)
        assert await bench.clock.asleep() == MAX_SLEEP_S
        assert bench.acted == []


async def test_a_pass_that_is_cancelled_leaves_all_due() -> None:
    bench = Bench()
    begun = asyncio.Event()

    async def act(_: str) -> None:
        begun.set()
        await asyncio.Event().wait()

    bench.set(a=0, b=0)
    task = asyncio.create_task(bench.due.act_once(act))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bench.passes(0) == ["a", "b"]
