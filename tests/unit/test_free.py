"""What is free goes to whoever has waited for longest."""

import asyncio

import pytest

from server.database.free import Free

SOON_S = 0.01
LONG_S = 30.0


async def turn() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_comes_later_takes_nothing_from_who_waits() -> None:
    free: Free[str] = Free()
    order: list[int] = []

    async def use(number: int) -> None:
        one = await free.take(LONG_S)
        order.append(number)
        free.put(one)

    waiting = [asyncio.create_task(use(number)) for number in range(5)]
    await turn()
    assert free.waiting == 5
    free.put("a")
    late = asyncio.create_task(use(5))  # it comes while the first has been called and not run yet
    await asyncio.gather(*waiting, late)
    assert order == [0, 1, 2, 3, 4, 5]
    assert (len(free), free.waiting) == (1, 0)


async def test_what_was_used_last_is_given_first() -> None:
    free: Free[str] = Free()
    free.put("a")
    free.put("b")
    assert await free.take(LONG_S) == "b"
    assert await free.take(LONG_S) == "a"


async def test_who_waits_in_vain_is_told_and_keeps_nothing() -> None:
    free: Free[str] = Free()
    with pytest.raises(TimeoutError):
        await free.take(SOON_S)
    assert free.waiting == 0
    free.put("a")
    assert await free.take(LONG_S) == "a"


async def test_what_comes_to_who_has_just_given_up_goes_to_the_next() -> None:
    free: Free[str] = Free()
    first, second = (asyncio.create_task(free.take(LONG_S)) for _ in range(2))
    await turn()
    free.put("a")
    first.cancel()
    assert await second == "a"
    with pytest.raises(asyncio.CancelledError):
        await first
    free.put("a")
    assert len(free) == 1


async def test_one_that_is_not_free_is_not_taken_out() -> None:
    free: Free[str] = Free()
    free.put("a")
    assert not free.remove("b")
    assert free.remove("a")
    assert len(free) == 0
