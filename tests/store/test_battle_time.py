"""What time does to battles, on a real database and with a clock that the test turns."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.battle_events import Abandoned, AbandonReason
from protocol.battles import Battle, Difficulty, Status
from protocol.permissions import Role
from protocol.times import millis, rfc3339
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles, rules
from server.battles.service import BattleService
from server.battles.store import Hosted
from server.config import Settings
from server.database import Unavailable
from server.players import Players
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player


class Table:
    """A server without sockets, one player, and a clock."""

    def __init__(self, app: App, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock
        self.service = BattleService(app.service(Battles), app.gateway, clock)
        self.player_id = ""

    async def seat(self) -> str:
        """Register, and take a seat in the easy battle of the pool."""
        logged_in = await self.app.service(Auth).add("somebody", "correct horse", Role.PLAYER)
        self.player_id = logged_in.user.id
        player = (await self.app.service(Players).get(self.player_id)).pending
        battle_id = next(
            battle_id
            for battle_id, summary in self.app.service(Battles).pool.waiting.items()
            if summary.difficulty is Difficulty.EASY
        )
        now = self.clock.now_ms()
        await self.app.service(Battles).carry_out(
            battle_id, lambda h: rules.join(h.battle, player, now, h.rolls()), now
        )
        return battle_id

    async def pass_time(self, seconds: float) -> None:
        """Turn the clock, and let the service look."""
        self.clock.advance(seconds)
        await self.service.tick()

    async def battle(self, battle_id: str) -> Battle:
        """The battle as it is committed."""
        return (await self.app.service(Battles).get(battle_id)).committed.battle


def settings(folder: Path) -> Settings:
    return Settings(data_dir=folder, password_hash_cost=4)


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[Table]:
    clock = ManualClock()
    async with opened(settings(tmp_path), clock) as app:
        await app.start()
        yield Table(app, clock)


async def test_three_battles_wait_one_of_them_easy(table: Table) -> None:
    waiting = list(table.app.service(Battles).pool.waiting.values())
    assert len(waiting) == 3
    assert [w.difficulty for w in waiting].count(Difficulty.EASY) >= 1


async def test_the_pool_is_filled_up_when_a_battle_starts(table: Table) -> None:
    battle_id = await table.seat()
    assert battle_id not in table.app.service(Battles).pool.waiting
    await table.service.fill_pool()
    assert len(table.app.service(Battles).pool.waiting) == 3


async def test_enemies_strike_on_their_beat_and_only_once(table: Table) -> None:
    battle_id = await table.seat()
    await table.pass_time(9.9)
    assert (await table.battle(battle_id)).seats[table.player_id].hp == 100
    await table.pass_time(0.1)
    struck = await table.battle(battle_id)
    assert struck.seats[table.player_id].hp < 100
    await table.pass_time(0)
    assert await table.battle(battle_id) == struck


async def test_missed_beats_are_skipped(table: Table) -> None:
    battle_id = await table.seat()
    before = await table.battle(battle_id)
    await table.pass_time(35)
    after = await table.battle(battle_id)
    assert before.next_hit_at is not None
    assert after.next_hit_at is not None
    assert millis(after.next_hit_at) - millis(before.next_hit_at) == 30_000
    assert after.seq == before.seq + 1


async def test_a_seat_is_kept_for_two_minutes(table: Table) -> None:
    battle_id = await table.seat()
    await table.service.gone(table.player_id)
    assert (await table.battle(battle_id)).seats[table.player_id].away_at is not None
    connection = await Ear(table.app, player(table.player_id)).open()
    assert (await table.battle(battle_id)).seats[table.player_id].away_at is None
    await connection.gone()
    await table.pass_time(119)
    assert (await table.battle(battle_id)).seats[table.player_id].seated
    await table.pass_time(1)
    assert not (await table.battle(battle_id)).seats[table.player_id].seated
    assert await table.app.service(Battles).seat_of(table.player_id) is None


async def test_a_battle_with_nobody_is_abandoned_after_five_minutes(table: Table) -> None:
    battle_id = await table.seat()
    now = table.clock.now_ms()
    player_id = table.player_id
    await table.app.service(Battles).carry_out(
        battle_id, lambda h: rules.leave(h.battle, player_id, now), now
    )
    await table.pass_time(299)
    assert (await table.battle(battle_id)).status is Status.IN_PROGRESS
    await table.pass_time(1)
    assert (await table.battle(battle_id)).status is Status.ABANDONED
    assert battle_id not in table.app.service(Battles).pool.due


async def test_who_is_struck_down_long_enough_loses_the_battle(table: Table) -> None:
    battle_id = await table.seat()
    for _ in range(200):
        await table.pass_time(10)
        if (await table.battle(battle_id)).all_down_since is not None:
            break
    assert (await table.battle(battle_id)).seats[table.player_id].down_at is not None
    await table.pass_time(60)
    assert (await table.battle(battle_id)).status is Status.ABANDONED


async def test_after_a_restart_seats_are_away_and_time_goes_on(tmp_path: Path) -> None:
    clock = ManualClock()
    async with opened(settings(tmp_path), clock) as app:
        await app.start()
        table = Table(app, clock)
        battle_id = await table.seat()
        before = await table.battle(battle_id)
    clock.advance(30)
    async with opened(settings(tmp_path), clock) as app:
        await app.start()
        again = Table(app, clock)
        await again.pass_time(0)  # the first look
        loaded = await again.battle(battle_id)
        assert loaded.seats[table.player_id].away_at is not None
        assert loaded.enemies == before.enemies
        assert len(app.service(Battles).pool.waiting) == 3
        await again.pass_time(0)
        assert (await again.battle(battle_id)).seats[table.player_id].hp < 100


async def test_a_decision_on_an_old_state_is_made_again(table: Table) -> None:
    battle_id = await table.seat()
    entry = await table.app.service(Battles).get(battle_id)
    player_id, now = table.player_id, table.clock.now_ms()
    seen: list[int] = []

    def decide(hosted: Hosted) -> rules.Events:
        seen.append(hosted.battle.seq)
        if len(seen) == 1:
            entry.broken = True  # as when somebody else changes the battle meanwhile
        return rules.chat(hosted.battle, player_id, "again", now)

    await table.app.service(Battles).carry_out(battle_id, decide, now)
    assert len(seen) == 2
    battle = await table.battle(battle_id)
    assert [line.text for line in battle.chat] == ["again"]


async def test_a_fault_in_one_battle_does_not_stop_the_others(table: Table) -> None:
    battle_id = await table.seat()
    table.app.service(Battles).pool.due.set("no battle", 0)
    await table.pass_time(10)
    assert (await table.battle(battle_id)).seats[table.player_id].hp < 100
    put_off = table.app.service(Battles).pool.due.at("no battle")
    assert put_off is not None
    assert put_off > table.clock.now_ms()


async def test_a_seat_whose_player_is_not_here_is_put_right(table: Table) -> None:
    battle_id = await table.seat()  # without a connection
    await table.service.reconcile()
    assert (await table.battle(battle_id)).seats[table.player_id].away_at is not None


async def test_who_comes_before_the_first_look_does_not_keep_others_from_being_away(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with opened(settings(tmp_path), clock) as app:
        await app.start()
        both = [
            await app.service(Auth).add(name, "correct horse", Role.PLAYER)
            for name in ("ada", "ben")
        ]
        ids = [logged_in.user.id for logged_in in both]
        battle_id = next(
            battle_id
            for battle_id, line in app.service(Battles).pool.waiting.items()
            if line.required_level == 1
        )
        for ident in ids:
            ear = await Ear(app, player(ident)).open()
            await ear.ok("battles.join", battle_id=battle_id)
    async with opened(settings(tmp_path), clock) as app:
        await app.start()
        ear = await Ear(app, player(ids[0])).open()
        await ear.ok("battles.chat", battle_id=battle_id, text="I am back")
        again = Table(app, clock)
        await again.pass_time(0)
        seats = (await again.battle(battle_id)).seats
        assert [seats[ident].away_at is None for ident in ids] == [True, False]
        assert app.service(Battles).pool.taken_up == set()


async def test_an_end_that_is_not_committed_is_not_the_end(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time goes on in a battle of which a look saw an end that fell afterwards."""
    battle_id = await table.seat()
    writer: Any = table.app.database.writer
    commit, go_on = writer._engine.commit, asyncio.Event()

    async def fail(_: object) -> None:
        await go_on.wait()
        raise Unavailable("disk full")

    monkeypatch.setattr(writer._engine, "commit", fail)
    table.clock.advance(3600)
    now, reason = table.clock.now_ms(), AbandonReason.ALL_DOWN
    ending = asyncio.create_task(
        table.app.service(Battles).carry_out(
            battle_id,
            lambda hosted: (Abandoned(battle_id=battle_id, reason=reason, at=rfc3339(now)),),
            now,
        )
    )
    await asyncio.sleep(0)
    await table.service.tick()
    go_on.set()
    with pytest.raises(Unavailable):
        await ending
    monkeypatch.setattr(writer._engine, "commit", commit)
    before = (await table.battle(battle_id)).seq
    await table.service.tick()
    assert (await table.battle(battle_id)).seq > before
