"""A command that takes too long is answered, and what it has queued is committed all the same."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from protocol.permissions import Role
from server.config import Settings
from server.database.work import Work
from server.database.writer import Outcome
from tests.support.engines import rows
from tests.support.processes import Process

LIMIT_S = Settings.command_timeout


class SlowDisk:
    """A database whose commits wait until they may go on."""

    def __init__(self, process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
        engine = process.app.database.writer._engine
        self._commit = engine.commit
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        monkeypatch.setattr(engine, "commit", self._slow)

    async def _slow(self, units: Sequence[Work]) -> list[Outcome]:
        self.begun.set()
        await self.go_on.wait()
        return await self._commit(units)


@pytest.fixture
async def watching(here: Process) -> AsyncIterator[None]:
    """Lets the clock of `here` time out what is late."""
    task = asyncio.create_task(here.app.background["deadlines"]())  # type: ignore[arg-type]
    assert await here.clock.asleep() == LIMIT_S
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_what_was_queued_is_committed_and_a_retry_is_told_so(
    here: Process, watching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = here.app
    await app.start()
    logged_in = await here.person("alice")
    alice, again = await here.line(logged_in), await here.line(logged_in)
    pool = await alice.call(app, "battles.list")
    easy = [battle for battle in pool["data"]["items"] if battle["required_level"] == 1]
    wanted = {"battle_id": easy[0]["battle_id"], "request_id": "just-this-once"}

    disk = SlowDisk(here, monkeypatch)
    first = asyncio.create_task(alice.call(app, "battles.join", **wanted))
    await disk.begun.wait()
    retry = asyncio.create_task(again.call(app, "battles.join", **wanted))
    await asyncio.sleep(0)
    here.clock.advance(LIMIT_S)
    answers = await asyncio.gather(first, retry)
    disk.go_on.set()
    assert [answer["error"]["code"] for answer in answers] == ["timed_out"] * 2
    assert (await alice.call(app, "battles.join", **wanted))["ok"]
    joins = "select count(*) from room_events where name = 'battles.player_joined'"
    assert await rows(app.settings.database, joins) == [(1,)]
    assert (await alice.call(app, "players.get"))["ok"]


async def test_whoever_was_to_be_let_go_is_gone_where_that_was_committed_late(
    here: Process, watching: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A retry is told that it was done: so it was."""
    app = here.app
    admin = await here.line(await here.person("boss", Role.ADMIN))
    alice = await here.line(await here.person("alice"))
    wanted = {"connection_id": alice.id, "reason": "enough", "request_id": "just-this-once"}
    disk = SlowDisk(here, monkeypatch)
    first = asyncio.create_task(admin.call(app, "connections.disconnect", **wanted))
    await disk.begun.wait()
    here.clock.advance(LIMIT_S)
    assert (await first)["error"]["code"] == "timed_out"
    assert not alice.closed
    disk.go_on.set()
    assert (await admin.call(app, "connections.disconnect", **wanted))["ok"]
    assert alice.closed
    assert alice.told[-1] == ("server.evicted", {"reason": "disconnected", "message": "enough"})
