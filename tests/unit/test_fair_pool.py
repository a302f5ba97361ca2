"""What is free goes to whoever has waited for longest."""

import asyncio

import pytest

from server.database.fair_pool import FairPool

SOON_S = 0.01
LONG_S = 30.0


async def turn() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_later_takes_nothing_from_who_waits() -> None:
    pool: FairPool[str] = FairPool()
    order: list[int] = []

    async def use(number: int) -> None:
        one = await pool.take(LONG_S)
        order.append(number)
        pool.put(one)

    waiting = [asyncio.create_task(use(number)) for number in range(5)]
    await turn()
    assert pool.waiting == 5
    pool.put("a")
    late = asyncio.create_task(use(5))  # it comes while the first has been called and not run yet
    await asyncio.gather(*waiting, late)
    assert order == [0, 1, 2, 3, 4, 5]
    assert (len(pool), pool.waiting) == (1, 0)


async def test_what_was_used_last_is_given_first() -> None:
    pool: FairPool[str] = FairPool()
    pool.put("a")
    pool.put("b")
    assert await pool.take(LONG_S) == "b"
    assert await pool.take(LONG_S) == "a"


async def test_who_waits_in_vain_is_told_and_keeps_nothing() -> None:
    pool: FairPool[str] = FairPool()
    with pytest.raises(TimeoutError):
        await pool.take(SOON_S)
    assert pool.waiting == 0
    pool.put("a")
    assert await pool.take(LONG_S) == "a"


async def test_what_comes_to_who_has_just_given_up_goes_to_the_next() -> None:
    pool: FairPool[str] = FairPool()
    first, second = (asyncio.create_task(pool.take(LONG_S)) for _ in range(2))
    await turn()
    pool.put("a")
    first.cancel()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first
    pool.put("a")
    assert len(pool) == 1


async def test_one_that_is_not_free_is_not_taken_out() -> None:
    pool: FairPool[str] = FairPool()
    pool.put("a")
    assert not pool.remove("b")
    assert pool.remove("a")
    assert len(pool) == 0
