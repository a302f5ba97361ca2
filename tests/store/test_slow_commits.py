"""Commits that take long: commands are refused before they pile up, and health says so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import Login, Register
from protocol.battles import Difficulty
from protocol.errors import Failure
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.config import Settings
from server.database import writer as writer_module
from server.database.writer import MAX_WAIT_S, RETRY_AFTER_S
from server.health import Health
from tests.store.bench import Bench, HeldEngine, put
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres

ADDRESS = "203.0.113.7"
pytestmark = on_both_engines


class Slow:
    """A server without sockets, whose batches end when a test says so."""

    def __init__(self, app: App, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock
        self.held: HeldEngine
        self.battle_id = ""

    async def hold(self) -> None:
        """Let a batch be under way."""
        self.held = HeldEngine(self.app.database)
        self.app.database.writer.submit(put(uuid7()), b"", None)
        await self.held.entered.wait()

    async def person(self, name: str) -> Ear:
        """Somebody with a seat."""
        added = await self.app.service(Auth).add(name, PASSWORD, Role.PLAYER)
        ear = await Ear(self.app, player(added.user.id)).open()
        if not self.battle_id:
            await self.app.service(Battles).offer(Difficulty.LEGENDARY, 1, self.clock.now_ms())
            (self.battle_id,) = self.app.service(Battles).pool.waiting
        await ear.ok("battles.join", battle_id=self.battle_id)
        return ear

    async def queued(self, units: int) -> None:
        """Wait until so many are queued."""
        async with asyncio.timeout(10):
            while len(self.app.database.writer._queue) < units:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0)

    async def state(self) -> str:
        """What health says of the writer."""
        return str((await self.app.service(Health).report()).components["writer"].status)


@pytest.fixture
async def slow(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[Slow]:
    url = await database(engine, postgres, tmp_path / "test.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    clock = ManualClock()
    async with opened(settings, clock) as app:
        opened_slow = Slow(app, clock)
        yield opened_slow
        opened_slow.held.go.set()


def chat(slow: Slow) -> dict[str, Any]:
    """A line; the handler of chat may wait before it decides."""
    return {"battle_id": slow.battle_id, "text": "hi", "request_id": uuid7()}


def strike(slow: Slow) -> dict[str, Any]:
    """A blow, which is decided the moment it comes."""
    return {"battle_id": slow.battle_id, "enemy_id": 1, "kind": "quick", "request_id": uuid7()}


COMMANDS: dict[str, Callable[[Slow], dict[str, Any]]] = {
    "battles.chat": chat,
    "battles.attack": strike,
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_commands_are_refused_while_others_wait_for_too_long(slow: Slow, name: str) -> None:
    people = [await slow.person(f"player{n}") for n in range(4)]
    fields = COMMANDS[name]
    await slow.hold()
    first = people[0].ask(name, **fields(slow))
    await slow.queued(1)
    slow.clock.advance(MAX_WAIT_S)
    second = people[1].ask(name, **fields(slow))
    await slow.queued(2)
    slow.clock.advance(0.1)
    tried = fields(slow)
    refused = (await people[2].ask(name, **tried))["error"]
    assert refused["code"] == "busy"
    least, most = RETRY_AFTER_S
    assert least <= refused["retry_after_ms"] / 1000 <= most
    # Whatever only reads is answered, and the server's own units are taken.
    assert (await people[3].ask("battles.get", battle_id=slow.battle_id))["ok"]
    own = slow.app.database.writer.submit(put(uuid7()), b"", None)
    assert not first.done()
    assert not second.done()
    slow.held.go.set()
    assert (await first)["ok"]
    assert (await second)["ok"]
    await own
    assert (await people[2].ask(name, **tried))["ok"], "the same again"


@pytest.mark.parametrize("name", COMMANDS)
async def test_a_command_that_was_committed_still_gets_its_reply(slow: Slow, name: str) -> None:
    person, other = await slow.person("ada"), await slow.person("ben")
    fields = COMMANDS[name](slow)
    first = await person.ask(name, **fields)
    assert first["ok"]
    await slow.hold()
    waiting = other.ask(name, **COMMANDS[name](slow))
    await slow.queued(1)
    slow.clock.advance(MAX_WAIT_S + 1)
    slow.app.gateway.dispatch.requests._recent.clear()  # as in another process
    assert await person.ask(name, **fields) == first
    assert not waiting.done()


async def test_log_ins_are_refused_too(slow: Slow) -> None:
    person = await slow.person("ada")
    tokens = (await slow.app.service(Auth).log_in(Login("ada", PASSWORD), ADDRESS)).tokens
    await slow.hold()
    waiting = person.ask("battles.chat", **chat(slow))
    await slow.queued(1)
    slow.clock.advance(MAX_WAIT_S + 0.1)
    for asked in (
        slow.app.service(Auth).log_in(Login("ada", PASSWORD), ADDRESS),
        slow.app.service(Auth).register(Register("ben", PASSWORD), ADDRESS),
        slow.app.service(Auth).refresh(tokens.refresh_token),
    ):
        with pytest.raises(Failure) as failure:
            await asked
        assert failure.value.error.code == "busy"
        assert failure.value.error.retry_after_ms is not None
    slow.held.go.set()
    assert (await waiting)["ok"]
    assert (await slow.app.service(Auth).refresh(tokens.refresh_token)).user.username == "ada"


async def test_health_says_how_old_the_oldest_unit_is(slow: Slow) -> None:
    assert await slow.state() == "healthy"
    await slow.hold()
    for seconds, state in (
        (1.9, "healthy"),
        (0.1, "degraded"),
        (7.9, "degraded"),
        (0.1, "unhealthy"),
    ):
        slow.clock.advance(seconds)
        assert await slow.state() == state
    slow.held.go.set()
    await slow.app.database.writer.submit(put(uuid7()), b"", None)
    assert await slow.state() == "healthy"


async def test_what_a_full_batch_leaves_over_has_its_own_age(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_BATCH", 2)
    clock = ManualClock()
    writer: Any = bench.db.writer
    monkeypatch.setattr(writer, "_clock", clock)
    held = HeldEngine(bench.db)
    units = []
    for n in range(5):
        units.append(bench.submit(put(f"n{n}")))
        clock.advance(1)
    assert writer.wait_s == 5
    await held.entered.wait()
    assert (writer.age, writer.wait_s) == (5, 3)  # the third was queued after two seconds
    held.go.set()
    for unit in units:
        await unit
    assert (writer.age, writer.wait_s, held.batches) == (0, 0, [2, 2, 1])
