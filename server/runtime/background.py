"""The background tasks of the server and their supervision. The log calls each a service.

They run outside the web server's lifespan: a crash in there would leave HTTP answering as if
nothing had happened. A task that crashes is started again after a pause that grows; one that keeps
crashing ends the process, so that its supervisor can see.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("services")

MAX_CRASHES: Final = 5
FORGET_AFTER_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.5
PUT_OFF_S: Final = 1.0
GATHER_S: Final = 0.05
PUBLISH_EVERY_S: Final = 1.0

BackgroundTask = Callable[[], Awaitable[None]]


class BackgroundTaskFailed(Exception):
    """A background task that can't go on. It raises this itself where a restart is no use."""

    def __init__(self, name: str, crash: Exception) -> None:
        super().__init__(f"the service {name!r} can't go on: {type(crash).__name__}: {crash}")


class CannotContinue(Exception):
    """The server has to end, and no fault of the program is why: these words say all of it."""


async def repeat(
    work: BackgroundTask,
    every_s: float,
    clock: Clock,
    put_off: type[Exception] | tuple[type[Exception], ...],
    name: str,
) -> None:
    """Do something again and again, with a pause in between.

    What raises `put_off` is done the next time, not sooner than in a second; any other fault
    ends it.
    """
    while True:
        pause = every_s
        try:
            await work()
        except put_off as e:
            log.warning("put_off", service=name, error=str(e))
            pause = max(every_s, PUT_OFF_S)
        await clock.sleep(pause)


async def publish_together(
    changed: asyncio.Event, publish: Callable[[], None], clock: Clock
) -> None:
    """Publish soon after each change, at most once a second."""
    while True:
        await changed.wait()
        await clock.sleep(GATHER_S)  # what changes at once is published at once
        changed.clear()
        publish()
        await clock.sleep(PUBLISH_EVERY_S - GATHER_S)


async def supervise(name: str, task: BackgroundTask, clock: Clock) -> None:
    """Run a background task until it returns.

    Raises CannotContinue, and BackgroundTaskFailed after five crashes in a row.

    A run of a minute counts as healthy: crashes before it are forgotten.
    """
    crashes = 0
    while True:
        started = clock.monotonic()
        try:
            await task()
            return
        except CannotContinue as e:
            log.error("service_failed", service=name, error=str(e))
            raise
        except BackgroundTaskFailed:
            log.exception("service_failed", service=name)
            raise
        except Exception as e:
            if clock.monotonic() - started >= FORGET_AFTER_S:
                crashes = 0
            crashes += 1
            log.exception("service_crashed", service=name, crashes=crashes)
            if crashes == MAX_CRASHES:
                raise BackgroundTaskFailed(name, e) from e
            await clock.sleep(FIRST_PAUSE_S * 2 ** (crashes - 1))


async def run_all(background: dict[str, BackgroundTask], clock: Clock, stop: asyncio.Event) -> None:
    """Run all background tasks until `stop` is set, then cancel them.

    Raises BackgroundTaskFailed or CannotContinue (in a group).
    """
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(supervise(name, task, clock), name=f"service:{name}")
            for name, task in background.items()
        ]
        await stop.wait()
        for task in tasks:
            task.cancel()
