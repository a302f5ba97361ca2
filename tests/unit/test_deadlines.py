"""What takes too long is cancelled, and nothing else is."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from protocol.errors import Failure
from server.gateway.deadlines import Deadlines
from tests.support.clock import ManualClock

LIMIT_S = 30.0


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


async def within(deadlines: Deadlines, until: asyncio.Event) -> str:
    """Wait for something, within its time."""
    try:
        with deadlines:
            await until.wait()
    except Failure as e:
        await asyncio.sleep(0)  # nothing of the cancellation is left
        return e.error.code
    return "done"


async def test_each_is_late_by_its_own_time(watched: Watched) -> None:
    never, soon = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(within(watched.deadlines, never))
    quick = asyncio.create_task(within(watched.deadlines, soon))
    await asyncio.sleep(0)
    watched.clock.advance(20)
    second = asyncio.create_task(within(watched.deadlines, never))
    await asyncio.sleep(0)
    soon.set()
    assert await quick == "done"
    assert await watched.turn(10) == 20  # until the second one is due
    assert await first == "timed_out"
    assert not second.done()
    assert await watched.turn(20) == LIMIT_S
    assert await second == "timed_out"


async def test_what_ends_at_the_last_moment_is_done(watched: Watched) -> None:
    soon = asyncio.Event()
    task = asyncio.create_task(within(watched.deadlines, soon))
    await asyncio.sleep(0)
    watched.clock.advance(LIMIT_S - 0.001)
    soon.set()
    assert await task == "done"
    assert await watched.turn(0.001) == LIMIT_S


async def test_who_is_cancelled_from_outside_is_cancelled(watched: Watched) -> None:
    task = asyncio.create_task(within(watched.deadlines, asyncio.Event()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_by_both_is_cancelled(watched: Watched) -> None:
    task = asyncio.create_task(within(watched.deadlines, asyncio.Event()))
    await asyncio.sleep(0)
    watched.clock.advance(LIMIT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_does_not_end_when_it_is_cancelled_is_cancelled_once(watched: Watched) -> None:
    go_on = asyncio.Event()

    async def stubborn() -> str:
        with watched.deadlines:
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                await go_on.wait()
        await asyncio.sleep(0)
        return "done"

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    assert await watched.turn(LIMIT_S) == LIMIT_S
    assert await watched.turn(LIMIT_S) == LIMIT_S
    go_on.set()
    assert await task == "done"
