"""The supervision of background tasks, on a clock that the test turns."""

import asyncio

import pytest

from server.runtime.background import FORGET_AFTER_S, BackgroundTaskFailed, run_all, supervise
from tests.support.clock import ManualClock


class Crash(Exception):
    """What a service of these tests ends with."""


async def test_a_service_that_returns_has_ended() -> None:
    async def service() -> None:
        return

    await supervise("s", service, ManualClock())


async def test_a_service_that_crashes_is_started_again_after_growing_pauses() -> None:
    clock, starts = ManualClock(), 0

    async def service() -> None:
        nonlocal starts
        starts += 1
        raise Crash

    task = asyncio.create_task(supervise("strikes", service, clock))
    for n, pause in enumerate((0.5, 1.0, 2.0, 4.0), 1):
        assert await clock.asleep() == pause
        assert starts == n
        clock.advance(pause)
    with pytest.raises(BackgroundTaskFailed, match="strikes") as caught:
        await task
    assert isinstance(caught.value.__cause__, Crash)
    assert starts == 5


async def test_a_healthy_minute_forgets_the_crashes_before_it() -> None:
    clock = ManualClock()

    async def service() -> None:
        await clock.sleep(FORGET_AFTER_S)
        raise Crash

    task = asyncio.create_task(supervise("s", service, clock))
    for _ in range(20):
        assert await clock.asleep() == FORGET_AFTER_S
        clock.advance(FORGET_AFTER_S)
        assert await clock.asleep() == 0.5
        clock.advance(0.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_minute_that_is_not_full_forgets_nothing() -> None:
    clock = ManualClock()

    async def service() -> None:
        await clock.sleep(FORGET_AFTER_S - 1)
        raise Crash

    task = asyncio.create_task(supervise("s", service, clock))
    for _ in range(4):
        clock.advance(await clock.asleep())
        clock.advance(await clock.asleep())
    clock.advance(await clock.asleep())
    with pytest.raises(BackgroundTaskFailed):
        await task


async def test_a_service_that_can_t_go_on_is_not_started_again() -> None:
    starts = 0

    async def service() -> None:
        nonlocal starts
        starts += 1
        raise BackgroundTaskFailed("writer", Crash("broken"))

    with pytest.raises(BackgroundTaskFailed, match="'writer' can't go on: Crash: broken"):
        await supervise("writer", service, ManualClock())
    assert starts == 1


async def test_all_run_until_they_are_told_to_stop() -> None:
    stop, clock, running, ended = asyncio.Event(), ManualClock(), asyncio.Barrier(3), []

    async def service() -> None:
        await running.wait()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(run_all({"a": service, "b": service}, clock, stop))
    await running.wait()
    stop.set()
    await task
    assert ended == [True, True]


async def test_a_service_that_keeps_crashing_ends_all() -> None:
    clock, ended = ManualClock(), asyncio.Event()

    async def healthy() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def crashes() -> None:
        raise Crash

    services = {"healthy": healthy, "crashes": crashes}
    task = asyncio.create_task(run_all(services, clock, asyncio.Event()))
    for _ in range(4):
        clock.advance(await clock.asleep())
    with pytest.raises(ExceptionGroup) as caught:
        await task
    assert caught.group_contains(BackgroundTaskFailed)
    assert ended.is_set()
