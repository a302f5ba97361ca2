"""A command that takes too long is answered, and what it has queued is committed all the same."""

import asyncio
from collections.abc import Sequence

import pytest

from server.config import Settings
from server.database.writer import Outcome, Unit
from tests.support.engines import rows
from tests.support.processes import Process

LIMIT_S = Settings.command_timeout


async def test_what_was_queued_is_committed_and_a_retry_is_told_so(
    here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = here.app
    await app.start()
    logged_in = await here.person("alice")
    alice, again = await here.line(logged_in), await here.line(logged_in)
    pool = await alice.call(app, "battles.list")
    easy = [battle for battle in pool["data"]["items"] if battle["required_level"] == 1]
    wanted = {"battle_id": easy[0]["battle_id"], "request_id": "just-this-once"}

    engine = app.database.writer._engine
    commit, begun, go_on = engine.commit, asyncio.Event(), asyncio.Event()

    async def slow(units: Sequence[Unit]) -> list[Outcome]:
        begun.set()
        await go_on.wait()
        return await commit(units)

    monkeypatch.setattr(engine, "commit", slow)
    watching = asyncio.create_task(app.services["deadlines"]())  # type: ignore[arg-type]
    assert await here.clock.asleep() == LIMIT_S
    first = asyncio.create_task(alice.call(app, "battles.join", **wanted))
    await begun.wait()
    retry = asyncio.create_task(again.call(app, "battles.join", **wanted))
    await asyncio.sleep(0)
    here.clock.advance(LIMIT_S)
    answers = await asyncio.gather(first, retry)
    go_on.set()
    assert [answer["error"]["code"] for answer in answers] == ["timed_out"] * 2
    assert (await alice.call(app, "battles.join", **wanted))["ok"]
    joins = "select count(*) from room_events where name = 'battles.player_joined'"
    assert await rows(app.settings.database, joins) == [(1,)]
    assert (await alice.call(app, "players.get"))["ok"]
    watching.cancel()
    await asyncio.wait([watching])
