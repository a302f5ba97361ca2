"""Carrying out many small jobs in order, without a task for each.

A task carries out one job after the other, and one that never waits costs neither a task nor a
future. Where a job does wait, its task stays with it, and others go on with the rest. So every job
runs in a task of asyncio: `asyncio.timeout` and whatever else asks for the current task works.
"""

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, Final, Protocol

from server.runtime.log import logger

log = logger("gateway")

AT_ONCE: Final = 100
"""So many jobs are carried out before the loop looks at the sockets again."""
HELPERS: Final = 2
"""So many more tasks where a job waits: if all do, each turn of the loop begins twice as many."""


class Job(Protocol):
    """Something to do."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Do it. What it raises is logged."""
        ...

    def waits(self) -> None:
        """It has begun to wait, in the current task. Called each time."""
        ...


class Runner:
    """Jobs that are ready, and the tasks that carry them out."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ready: deque[Job] = deque()
        self._free: set[asyncio.Task[None]] = set()  # those that take what is ready
        self._waiting: set[asyncio.Task[None]] = set()  # those that stay with a job

    def add(self, job: Job) -> None:
        """Carry out a job after those that are ready."""
        self._ready.append(job)
        if not self._free:
            self._hire()

    def _hire(self) -> None:
        # What is set in a context is of one job: none begins with what another has left.
        self._free.add(asyncio.create_task(self._run(), name=self._name, context=Context()))

    async def _run(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            while self._ready and me in self._free:
                for _ in range(AT_ONCE):
                    await self._carry_out(self._ready.popleft(), me)
                    if not self._ready or me not in self._free:
                        break
                else:
                    await asyncio.sleep(0)
        finally:
            self._waiting.discard(me)
            self._leave(me)

    def _leave(self, task: "asyncio.Task[None]") -> None:
        """A task takes nothing more of what is ready."""
        if task not in self._free:
            return
        self._free.remove(task)
        for _ in range(min(HELPERS, len(self._ready) - len(self._free))):
            self._hire()

    @types.coroutine
    def _carry_out(self, job: Job, me: "asyncio.Task[None]") -> Generator[Any, Any, None]:
        """Await a job, and see when it waits."""
        work = job.run()
        step: Callable[[Any], Any] = work.send
        given: Any = None
        try:
            while True:
                awaited = step(given)
                self._waiting.add(me)
                self._leave(me)
                job.waits()
                try:
                    step, given = work.send, (yield awaited)
                except BaseException as e:  # noqa: BLE001 - thrown into the task, for the job
                    step, given = work.throw, e
        except StopIteration:
            return
        except Exception:
            log.exception("job_failed", job=self._name)
