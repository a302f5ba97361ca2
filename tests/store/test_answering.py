"""A message that waits for its commit: what becomes of it when that ends, and when it does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from protocol.errors import Code
from server.config import Settings
from server.database.work import Stale, Unavailable, Work
from server.database.writer import Outcome
from tests.support.ear import Answer, Ear, player
from tests.support.processes import Process

LIMIT_S = Settings.command_timeout


class Disk:
    """A database of which a test says how its commits end, one after the other."""

    def __init__(self, process: Process) -> None:
        self._engine: Any = process.app.database.writer._engine
        self._commit = self._engine.commit
        self._engine.commit = self._planned
        self._ends: list[type[Exception] | None] = []
        self.begun: asyncio.Queue[int] = asyncio.Queue()
        self._go_on = asyncio.Event()

    def plan(self, *ends: type[Exception] | None) -> None:
        """How the next commits end; those after them are as ever."""
        self._ends += ends
        self._go_on.clear()

    def go_on(self) -> None:
        """Let them end."""
        self._go_on.set()

    async def _planned(self, units: Sequence[Work]) -> list[Outcome]:
        self.begun.put_nowait(len(units))
        end = self._ends.pop(0) if self._ends else None
        await self._go_on.wait()
        if end is Unavailable:
            raise Unavailable("the disk is on fire")
        if end is not None:
            for unit in units:
                unit.invalidate()
            return [end("planned")] * len(units)
        outcomes: list[Outcome] = await self._commit(units)
        return outcomes


class Table:
    """Somebody at a battle, whose commits a test holds."""

    def __init__(self, process: Process, ear: Ear, again: Ear, wanted: dict[str, Any]) -> None:
        self.process, self.ear, self.again, self.wanted = process, ear, again, wanted
        self.disk = Disk(process)

    def answers(self) -> list[tuple[str, bool]]:
        """What the first connection was answered, in order: the message, and whether it is ok."""
        return [(a.name, a.answer["ok"]) for a in self.ear.heard if isinstance(a, Answer)]


@pytest.fixture
async def table(here: Process) -> AsyncIterator[Table]:
    """Somebody with two connections who has no seat yet."""
    await here.app.start()
    alice = player((await here.person("alice")).user.id)
    ear, again = await Ear(here.app, alice).open(), await Ear(here.app, alice).open()
    pool = await ear.ok("battles.list")
    easy = next(b["battle_id"] for b in pool["items"] if b["required_level"] == 1)
    ear.heard.clear()
    made = Table(here, ear, again, {"battle_id": easy, "request_id": "once"})
    yield made
    made.disk.go_on()


async def test_messages_behind_it_wait_and_others_do_not(table: Table) -> None:
    table.disk.plan(None)
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    behind = table.ear.ask("players.get")
    assert (await table.again.ask("players.get"))["ok"]
    assert not joined.done()
    assert not behind.done()
    table.disk.go_on()
    assert (await behind)["ok"]
    assert table.answers() == [("battles.join", True), ("players.get", True)]


async def test_no_task_waits_for_it(table: Table) -> None:
    table.disk.plan(None)
    before = asyncio.all_tasks()
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    table.disk.go_on()
    assert (await joined)["ok"]


async def test_what_fell_is_decided_again(table: Table) -> None:
    table.disk.plan(Stale, Stale, None)
    table.disk.go_on()
    assert (await table.ear.ask("battles.join", **table.wanted))["ok"]
    assert table.disk.begun.qsize() == 3


async def test_what_falls_too_often_is_given_up(table: Table) -> None:
    table.disk.plan(*[Stale] * 5)
    table.disk.go_on()
    answer = await table.ear.ask("battles.join", **table.wanted)
    assert answer["error"]["code"] == Code.BUSY
    assert table.disk.begun.qsize() == 5
    assert (await table.ear.ask("battles.join", **table.wanted))["ok"]


@pytest.mark.parametrize(
    ("end", "code"), [(Unavailable, Code.UNAVAILABLE), (OverflowError, Code.INTERNAL)]
)
async def test_a_commit_that_fails_is_answered(
    table: Table, end: type[Exception], code: Code
) -> None:
    table.disk.plan(end)
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    repeated = table.again.ask("battles.join", **table.wanted)
    behind = table.ear.ask("players.get")
    table.disk.go_on()
    answers = await asyncio.gather(joined, repeated)
    assert [answer["error"]["code"] for answer in answers] == [code] * 2
    assert (await behind)["ok"]
    assert (await table.again.ask("battles.join", **table.wanted))["ok"]


async def test_a_retry_under_way_gets_the_same_answer_and_anything_else_a_conflict(
    table: Table,
) -> None:
    table.disk.plan(None)
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    other = await table.again.ask("battles.leave", **table.wanted)
    assert other["error"]["reason"] == "request_id_reused"
    repeated = table.again.ask("battles.join", **table.wanted)
    assert not repeated.done()
    table.disk.go_on()
    assert await joined == await repeated
    assert table.disk.begun.qsize() == 0


async def test_one_that_waits_too_long_is_answered_once_and_the_next_is_taken(
    table: Table,
) -> None:
    here = table.process
    watching = asyncio.create_task(here.app.gateway.deadlines.watch())
    assert await here.clock.asleep() == LIMIT_S
    table.disk.plan(None)
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    behind = table.ear.ask("players.get")
    here.clock.advance(LIMIT_S)
    assert (await joined)["error"]["code"] == Code.TIMED_OUT
    assert (await behind)["ok"]
    table.disk.go_on()
    assert (await table.ear.ask("battles.join", **table.wanted))["ok"]
    assert table.answers() == [
        ("battles.join", False),
        ("players.get", True),
        ("battles.join", True),
    ]
    watching.cancel()
    await asyncio.wait([watching])


async def test_the_end_of_a_connection_waits_for_it(table: Table) -> None:
    table.disk.plan(None)
    joined = table.ear.ask("battles.join", **table.wanted)
    await table.disk.begun.get()
    gone = asyncio.create_task(table.ear.gone())
    everything = asyncio.create_task(table.process.app.gateway.dispatch.settle())
    await asyncio.sleep(0)
    assert not gone.done()
    assert not everything.done()
    table.disk.go_on()
    await asyncio.gather(gone, everything)
    assert joined.done()
