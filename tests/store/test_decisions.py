"""What people are promised where a decision is stale: it is made again, and told if it can't be."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import Login, Register
from protocol.errors import Code, Failure
from protocol.permissions import Role
from protocol.times import rfc3339
from server.app import App, opened
from server.auth import Accounts, Auth, rights
from server.auth.passwords import Passwords
from server.battles import Battles, BattleService
from server.config import Settings
from server.database import MAX_DECISIONS, Request, Stale, Work, WriteConflict
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines, rows
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres

pytestmark = on_both_engines

NETWORK = "203.0.113.7"


class Two:
    """A server in this process, and another on the same data."""

    def __init__(self, here: App, there: App, url: str, clock: ManualClock) -> None:
        self.here = here
        self.clock = clock
        self.there = there
        self.url = url


@pytest.fixture
async def two(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[Two]:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    clock = ManualClock()
    async with opened(settings, clock) as here, opened(settings, ManualClock()) as there:
        yield Two(here, there, url, clock)


class Faster:
    """Something else is faster: so many units with a statement or an event fall, as after a
    deadlock."""

    def __init__(self, app: App, name: str, times: int) -> None:
        self.name = name
        self.left = times
        engine: Any = app.database.writer._engine
        self._commit = engine.commit
        engine.commit = self.commit

    async def commit(self, units: Sequence[Work]) -> list[Any]:
        """Carry out the others."""
        fallen = [unit for unit in units if self._falls(unit)]
        others = [unit for unit in units if unit not in fallen]
        outcomes = iter(await self._commit(others) if others else [])
        return [Stale("deadlock") if unit in fallen else next(outcomes) for unit in units]

    def _falls(self, unit: Work) -> bool:
        names = {change.statement.name for change in unit.changes} | {t.name for t in unit.events}
        if not self.left or self.name not in names:
            return False
        self.left -= 1
        return True


async def test_of_two_who_take_a_name_at_once_one_is_told_that_it_is_taken(two: Two) -> None:
    for n in range(10):
        outcomes = await asyncio.gather(
            two.here.service(Auth).register(Register(f"ada-{n}", PASSWORD), NETWORK),
            two.there.service(Accounts).add(f"ADA-{n}", PASSWORD, Role.PLAYER),
            two.there.service(Auth).register(Register(f"Ada-{n}", PASSWORD), NETWORK),
            return_exceptions=True,
        )
        refused = [end for end in outcomes if isinstance(end, Failure)]
        assert [end.error.reason for end in refused] == ["username_taken"] * 2


async def test_of_two_who_name_a_key_at_once_one_is_told_that_it_is_taken(two: Two) -> None:
    for n in range(10):
        outcomes = await asyncio.gather(
            two.here.service(Accounts).add_service_key(f"robot-{n}", ["read"]),
            two.there.service(Accounts).add_service_key(f"robot-{n}", ["read"]),
            return_exceptions=True,
        )
        assert sorted(type(end).__name__ for end in outcomes) == ["ValueError", "str"]
    assert len(await rows(two.url, "select 1 from service_keys")) == 10
    acts = await rows(two.url, "select 1 from audit where action = 'service_keys.create'")
    assert len(acts) == 10


async def test_a_password_is_hashed_once_however_often_it_is_decided(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = Passwords.hash

    async def counted(self: Passwords, password: str, *given: Any) -> str:
        hashed.append(password)
        return await real(self, password, *given)

    monkeypatch.setattr(Passwords, "hash", counted)
    Faster(two.here, "users.insert", MAX_DECISIONS - 1)
    await two.here.service(Auth).register(Register("ada", PASSWORD), NETWORK)
    assert hashed == [PASSWORD]


@pytest.mark.parametrize("times", [1, MAX_DECISIONS - 1])
async def test_who_is_new_comes_in_after_a_stale_decision(two: Two, times: int) -> None:
    Faster(two.here, "users.insert", times)
    await two.here.service(Auth).register(Register("ada", PASSWORD), NETWORK)
    Faster(two.here, "users.insert", times)
    await two.here.service(Accounts).add("ben", PASSWORD, Role.PLAYER)
    names = await rows(two.url, "select username from users order by username")
    assert names == [("ada",), ("ben",)]
    assert len(await rows(two.url, "select 1 from players")) == 2


async def test_a_key_is_made_after_a_stale_decision(two: Two) -> None:
    """And nobody is told that there is one of that name."""
    Faster(two.here, "auth.add_service_key", 1)
    key = await two.here.service(Accounts).add_service_key("robot", ["read"])
    assert (await two.here.gateway.authenticate({"service_key": key})).name == "robot"


async def test_what_is_stale_each_time_is_busy(two: Two) -> None:
    auth, accounts = two.here.service(Auth), two.here.service(Accounts)
    logged_in = await auth.add("ada", PASSWORD, Role.PLAYER)
    refresh_token = logged_in.tokens.refresh_token
    asked = {
        "users.insert": lambda: auth.register(Register("ben", PASSWORD), NETWORK),
        "users.hold": lambda: auth.log_in(Login("ada", PASSWORD), NETWORK),
        "auth.use_refresh_token": lambda: auth.refresh(refresh_token),
        "users.save": lambda: accounts.disable("ada"),
        "auth.add_service_key": lambda: accounts.add_service_key("robot", ["read"]),
    }
    for statement, ask in asked.items():
        faster = Faster(two.here, statement, MAX_DECISIONS)
        with pytest.raises(WriteConflict) as raised:
            await ask()
        assert faster.left == 0, statement
        assert raised.value.error.code is Code.BUSY
    # Nothing of it was done, and a retry is.
    assert await rows(two.url, "select username, disabled from users") in (
        [("ada", 0)],
        [("ada", False)],
    )
    await auth.refresh(refresh_token)
    for ask in asked.values():
        if ask is not asked["auth.use_refresh_token"]:
            await ask()


async def test_a_hash_that_can_not_be_renewed_now_is_renewed_at_the_next_log_in(
    two: Two, tmp_path: Path
) -> None:
    await two.here.service(Auth).add("ada", PASSWORD, Role.PLAYER)
    settings = Settings(data_dir=tmp_path, database_url=two.url, password_hash_cost=5)
    async with opened(settings, ManualClock()) as dearer:
        faster = Faster(dearer, "users.rehash", 1)
        for cost in ("04", "05"):
            await dearer.service(Auth).log_in(Login("ada", PASSWORD), NETWORK)
            ((known,),) = await rows(two.url, "select password_hash from users")
            assert known.split("$")[2] == cost
    assert faster.left == 0


async def test_a_change_is_not_refused_because_old_ones_can_not_be_forgotten(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rights, "KEPT", 1)
    monkeypatch.setattr(rights, "FORGET_EACH", 1)
    accounts = two.here.service(Accounts)
    await accounts.add("ada", PASSWORD, Role.PLAYER)
    faster = Faster(two.here, "auth.forget_rights_changes", 1)
    for n in range(3):
        await accounts.set_role("ada", (Role.VIEWER, Role.PLAYER)[n % 2])
    assert faster.left == 0
    assert await rows(two.url, "select version from rights_changes") == [(3,)]


async def test_a_seat_that_can_not_be_put_right_now_is_put_right_soon(
    two: Two, capsys: pytest.CaptureFixture[str]
) -> None:
    app = two.here
    await app.start()
    service, battles = app.service(BattleService), app.service(Battles)
    ada = (await app.service(Auth).add("ada", PASSWORD, Role.PLAYER)).user.id
    ear = await Ear(app, player(ada)).open()
    battle_id = next(key for key, line in battles.pool.waiting.items() if line.required_level == 1)
    await ear.ok("battles.join", battle_id=battle_id)

    async def is_away() -> bool:
        return (await battles.get(battle_id)).committed.battle.seats[ada].away_at is not None

    faster = Faster(app, "battles.player_away", MAX_DECISIONS)
    await ear.gone()
    assert faster.left == 0
    assert not await is_away()
    logged = capsys.readouterr().out
    assert logged.count("presence_put_off") == 1
    assert "presence_hook_failed" not in logged
    await service.reconcile()
    assert await is_away()


@pytest.mark.parametrize(
    ("statement", "left"),
    [
        ("auth.delete_expired_refresh_tokens", "select 1 from refresh_tokens"),
        ("users.delete_rested_names", "select 1 from retired_names"),
        ("audit.delete_old", "select 1 from audit where at < 1800000000000"),
        ("history.delete_replies", "select 1 from kept_replies"),
    ],
)
async def test_what_can_not_be_pruned_now_is_pruned_the_next_time(
    two: Two, statement: str, left: str
) -> None:
    app, accounts = two.here, two.here.service(Accounts)
    await app.service(Auth).add("ada", PASSWORD, Role.PLAYER)
    asked = Request(("ada", "once"), "digest")
    await app.database.writer.submit(Work(rfc3339(two.clock.now_ms())), b"{}", asked)
    await accounts.add("ben", PASSWORD, Role.PLAYER)
    await accounts.delete("ben")
    assert await rows(two.url, left)
    two.clock.advance(400 * 86_400)
    faster = Faster(app, statement, 1)
    await app.prune()
    assert faster.left == 0
    assert await rows(two.url, left)
    await app.prune()
    assert not await rows(two.url, left)


@pytest.mark.parametrize("times", [1, MAX_DECISIONS - 1])
async def test_the_pool_is_filled_after_a_stale_decision(two: Two, times: int) -> None:
    faster = Faster(two.here, "battles.insert", times)
    await two.here.service(BattleService).fill_pool()
    assert faster.left == 0
    assert len(two.here.service(Battles).pool.waiting) == 3
