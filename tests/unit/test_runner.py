"""Jobs are carried out in order, and one that waits holds up nobody."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import pytest

from server.gateway.dispatch import AT_ONCE, Runner
from tests.store.bench import Said

Work = Callable[[], Awaitable[None]]


class Jobs:
    """Jobs of a runner, what they did, and the tasks that they did it in."""

    def __init__(self) -> None:
        self.runner = Runner("jobs")
        self.done: list[object] = []
        self.waited: list[object] = []
        self.tasks: dict[object, asyncio.Task[object]] = {}

    def add(self, name: object, work: Work | None = None) -> None:
        """Have something done."""
        self.runner.add(Job(self, name, work))

    async def until(self, count: int) -> None:
        """Wait until so many are done, in a bounded number of turns of the loop."""
        for _ in range(1000):
            if len(self.done) >= count:
                break
            await asyncio.sleep(0)
        assert len(self.done) == count


class Job:
    """One of them."""

    def __init__(self, jobs: Jobs, name: object, work: Work | None) -> None:
        self._jobs, self._name, self._work = jobs, name, work

    async def run(self) -> None:
        """Do it."""
        task = asyncio.current_task()
        assert task is not None
        self._jobs.tasks[self._name] = task
        if self._work is not None:
            await self._work()
        assert asyncio.current_task() is task
        self._jobs.done.append(self._name)

    def waits(self) -> None:
        """It waits."""
        assert asyncio.current_task() is self._jobs.tasks[self._name]
        self._jobs.waited.append(self._name)


@pytest.fixture
def jobs() -> Jobs:
    """Nothing to do yet."""
    return Jobs()


async def no_wait() -> None:
    """Ends at once, as a lock that is free or a copy that is held does."""


async def test_jobs_that_never_wait_share_one_task_and_keep_their_order(jobs: Jobs) -> None:
    for name in range(AT_ONCE):
        jobs.add(name, no_wait)
    await asyncio.sleep(0)
    assert jobs.done == list(range(AT_ONCE))
    assert len(set(jobs.tasks.values())) == 1
    assert jobs.waited == []


async def test_nothing_is_left_when_nothing_is_ready(jobs: Jobs) -> None:
    before = asyncio.all_tasks()
    jobs.add("a")
    await jobs.until(1)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    jobs.add("b")
    await jobs.until(2)


async def test_what_waits_keeps_its_task_and_the_rest_goes_on(jobs: Jobs) -> None:
    go = asyncio.Event()

    async def wait() -> None:
        await go.wait()

    jobs.add("before")
    jobs.add("waits", wait)
    for name in ("after", "later"):
        jobs.add(name)
    await jobs.until(3)
    assert jobs.done == ["before", "after", "later"]
    assert jobs.tasks["before"] is jobs.tasks["waits"] is not jobs.tasks["after"]
    go.set()
    await jobs.until(4)
    assert jobs.waited == ["waits"]


async def test_what_has_waited_takes_nothing_of_what_is_ready(jobs: Jobs) -> None:
    go, first = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        await go.wait()
        first.set()

    jobs.add("waits", wait)
    await asyncio.sleep(0)
    go.set()
    await first.wait()
    jobs.add("after")
    await jobs.until(2)
    assert jobs.tasks["after"] is not jobs.tasks["waits"]


async def test_many_that_wait_begin_in_a_few_turns(jobs: Jobs) -> None:
    go = asyncio.Event()

    async def wait() -> None:
        await go.wait()

    for name in range(200):
        jobs.add(name, wait)
    for _ in range(10):
        await asyncio.sleep(0)
    assert jobs.waited == list(range(200))
    go.set()
    await jobs.until(200)


async def test_the_loop_goes_on_while_much_is_ready(jobs: Jobs) -> None:
    turns = 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        if len(jobs.done) < 10 * AT_ONCE:
            asyncio.get_running_loop().call_soon(turn)

    for name in range(10 * AT_ONCE):
        jobs.add(name)
    turn()
    await jobs.until(10 * AT_ONCE)
    assert turns >= 10


async def test_what_is_added_while_jobs_run_comes_after_them(jobs: Jobs) -> None:
    async def more() -> None:
        jobs.add("more")

    jobs.add("first", more)
    jobs.add("second")
    await jobs.until(3)
    assert jobs.done == ["first", "second", "more"]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_fault_is_logged_and_the_rest_goes_on(
    jobs: Jobs, waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr("server.gateway.dispatch.log", said)

    async def fail() -> None:
        if waits:
            await asyncio.sleep(0)
        raise LookupError

    jobs.add("fails", fail)
    jobs.add("after")
    await jobs.until(1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert said.lines == [("exception", "job_failed", {"job": "jobs"})]


async def test_a_timeout_holds_in_a_job(jobs: Jobs) -> None:
    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        await asyncio.sleep(0)  # nothing of the cancellation is left

    jobs.add("a", wait)
    await jobs.until(1)


async def test_one_that_is_cancelled_while_it_waits_ends_alone(jobs: Jobs) -> None:
    cancelled = asyncio.Event()

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    jobs.add("waits", wait)
    jobs.add("after")
    await jobs.until(1)
    jobs.tasks["waits"].cancel()
    await cancelled.wait()
    jobs.add("later")
    await jobs.until(2)
    assert jobs.done == ["after", "later"]
    assert jobs.tasks["waits"].cancelled()


async def test_one_that_catches_its_cancellation_goes_on(jobs: Jobs) -> None:
    go = asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await go.wait()

    jobs.add("waits", stubborn)
    await asyncio.sleep(0)
    jobs.tasks["waits"].cancel()
    await asyncio.sleep(0)
    assert jobs.done == []
    go.set()
    await jobs.until(1)


async def test_a_context_is_not_handed_from_task_to_task(jobs: Jobs) -> None:
    mark: ContextVar[str] = ContextVar("mark", default="")
    seen: list[str] = []

    async def look() -> None:
        seen.append(mark.get())
        mark.set("set by a job")
        await asyncio.sleep(0)
        seen.append(mark.get())

    mark.set("set by whoever adds")
    jobs.add("first", look)
    jobs.add("second", look)
    await jobs.until(2)
    assert seen == ["", "", "set by a job", "set by a job"]
