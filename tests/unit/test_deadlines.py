"""What takes too long is ended, once and in time, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.transport.deadlines import AT_ONCE, Deadlines
from tests.support.clock import ManualClock

LIMIT_S = 30.0


class Waiting:
    """Something that may be late."""

    def __init__(self) -> None:
        self.expired = 0

    def expire(self) -> None:
        """It is late."""
        self.expired += 1


class Watched:
    """Deadlines with their watcher, and a clock to turn."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.deadlines = Deadlines(self.clock, LIMIT_S)
        self._watching = asyncio.create_task(self.deadlines.watch())

    async def turn(self, seconds: float) -> float:
        """Turn the clock while the watcher sleeps. Returns how long it sleeps next."""
        self.clock.advance(seconds)
        return await self.clock.asleep()

    def begin(self) -> Waiting:
        """Something begins to wait."""
        waiting = Waiting()
        self.deadlines.begin(waiting)
        return waiting

    async def close(self) -> None:
        """End the watcher."""
        self._watching.cancel()
        await asyncio.wait([self._watching])


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    """A watcher that sleeps."""
    made = Watched()
    assert await made.clock.asleep() == LIMIT_S
    yield made
    await made.close()


async def test_each_is_late_by_its_own_time(watched: Watched) -> None:
    first, quick = watched.begin(), watched.begin()
    watched.clock.advance(20)
    second = watched.begin()
    watched.deadlines.end(quick)
    assert await watched.turn(10) == 20  # until the second one is due
    assert (first.expired, quick.expired, second.expired) == (1, 0, 0)
    assert await watched.turn(20) == LIMIT_S
    assert (first.expired, quick.expired, second.expired) == (1, 0, 1)


async def test_what_ends_at_the_last_moment_is_not_late(watched: Watched) -> None:
    waiting = watched.begin()
    watched.clock.advance(LIMIT_S - 0.001)
    watched.deadlines.end(waiting)
    assert await watched.turn(0.001) == LIMIT_S
    assert waiting.expired == 0


async def test_what_begins_to_wait_again_has_no_more_time(watched: Watched) -> None:
    waiting = watched.begin()
    watched.clock.advance(20)
    watched.deadlines.begin(waiting)
    assert await watched.turn(10) == LIMIT_S
    assert waiting.expired == 1


async def test_what_does_not_end_is_ended_once(watched: Watched) -> None:
    waiting = watched.begin()
    assert await watched.turn(LIMIT_S) == LIMIT_S
    assert await watched.turn(LIMIT_S) == LIMIT_S
    assert waiting.expired == 1


async def test_the_loop_looks_at_the_sockets_between_many(watched: Watched) -> None:
    waiting = [watched.begin() for _ in range(2 * AT_ONCE + 1)]
    for ended in (AT_ONCE, 2 * AT_ONCE):
        assert await watched.turn(LIMIT_S if ended == AT_ONCE else 0) == 0
        assert sum(one.expired for one in waiting) == ended
    assert await watched.turn(0) == LIMIT_S
    assert {one.expired for one in waiting} == {1}
