"""Pruning: what has aged goes, what stays is whole, and whoever comes too late hears so."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.battle_events import Abandoned, AbandonReason
from protocol.battles import battle_room, listing_room
from protocol.gateway import Joined, JoinRoom, ResetReason, Since, Verdict
from protocol.permissions import Role
from protocol.times import rfc3339
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles, rules
from server.battles.service import BattleService
from server.battles.store import MAX_PRUNED, Hosted
from server.config import Settings
from server.database import Request, Statement, Work
from server.database.history import find_reply
from tests.store.bench import BATTLE, LISTING, listed
from tests.store.test_rooms import Ear, say
from tests.support.clock import ManualClock
from tests.support.engines import database, on_both_engines
from tests.support.postgres import Postgres

pytestmark = on_both_engines

EVENTS = 10
AGE_S = 600
DAY_S = 86_400

SEQS = Statement("test.seqs", "select seq from room_events where room = :room order by seq")
AGED = Statement(
    "test.aged", "select battle_id from battles where prune_at is not null and status <> 'waiting'"
)
NUMBERED = Statement("test.numbered", "select room, seq from room_numbers")
TOKENS = Statement("test.tokens", "select count(*) from refresh_tokens")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def app(
    tmp_path: Path, engine: str, postgres: Postgres | None, clock: ManualClock
) -> AsyncIterator[App]:
    settings = Settings(
        data_dir=tmp_path,
        database_url=await database(engine, postgres, tmp_path / "test.db"),
        password_hash_cost=4,
        history_events=EVENTS,
        history_s=AGE_S,
    )
    async with opened(settings, clock) as app:
        yield app


def now(app: App) -> Work:
    """A unit of work of this moment."""
    return Work(rfc3339(app.clock.now_ms()))


async def seqs(app: App, room: str) -> list[int]:
    return [row[0] for row in await app.database.reader.all(SEQS, room=room)]


async def tell_line(app: App, times: int, battle_id: str = BATTLE) -> None:
    for _ in range(times):
        work = now(app)
        work.publish(listed(battle_id))
        await app.database.writer.submit(work, b"", None)


async def join(app: App, room: str, seq: int) -> Joined:
    since = Since(app.database.epoch, seq)
    return (await app.gateway.rooms.join(Ear(), JoinRoom(room=room, since=since))).reply


async def test_the_newest_stay_however_old(app: App, clock: ManualClock) -> None:
    await tell_line(app, 25)
    clock.advance(AGE_S + 1)
    await app.prune()
    assert await seqs(app, LISTING) == list(range(16, 26))
    await app.prune()
    assert await seqs(app, LISTING) == list(range(16, 26))


async def test_the_young_stay_however_many(app: App, clock: ManualClock) -> None:
    await tell_line(app, 20)
    clock.advance(AGE_S - 10)
    await tell_line(app, 20)
    clock.advance(20)
    await app.prune()
    assert await seqs(app, LISTING) == list(range(21, 41))


async def test_numbers_go_on_where_they_were(app: App, clock: ManualClock) -> None:
    await tell_line(app, 25)
    clock.advance(AGE_S + 1)
    await app.prune()
    await tell_line(app, 1)
    assert (await seqs(app, LISTING))[-1] == 26


async def test_whoever_missed_what_is_pruned_is_reset(app: App, clock: ManualClock) -> None:
    battle_id = await open_battle(app)
    await tell_line(app, 25, battle_id)
    clock.advance(AGE_S + 1)
    await app.prune()
    late = await join(app, listing_room(battle_id), 14)
    assert (late.verdict, late.reason) == (Verdict.RESET, ResetReason.HISTORY_PRUNED)
    assert late.seq == 25
    assert late.snapshot is not None
    just = await join(app, listing_room(battle_id), 15)
    assert (just.verdict, just.missed) == (Verdict.GAP_FILLED, 10)


async def test_many_are_pruned_in_slices(app: App, clock: ManualClock) -> None:
    await tell_line(app, 1200)
    clock.advance(AGE_S + 1)
    await app.prune()
    assert await seqs(app, LISTING) == list(range(1191, 1201))


async def test_a_reply_is_kept_for_a_day(app: App, clock: ManualClock) -> None:
    await app.database.writer.submit(now(app), b"{}", Request(("a", "old"), "d"))
    clock.advance(DAY_S - 1)
    await app.database.writer.submit(now(app), b"{}", Request(("a", "young"), "d"))
    await app.prune()
    assert await find_reply(app.database.reader, "a", "old") is not None
    clock.advance(2)
    await app.prune()
    assert await find_reply(app.database.reader, "a", "old") is None
    assert await find_reply(app.database.reader, "a", "young") is not None


async def open_battle(app: App) -> str:
    await BattleService(app.service(Battles), app.gateway, app.clock).fill_pool()
    return next(iter(app.service(Battles).pool.waiting))


async def test_a_battle_goes_on_from_its_snapshot(app: App, clock: ManualClock) -> None:
    battle_id = await open_battle(app)
    for n in range(150):  # its snapshot stands at 100
        await say(app.service(Battles), battle_id, f"line {n}", clock.now_ms())
    before = (await app.service(Battles).get(battle_id)).committed
    clock.advance(DAY_S + 1)
    await app.prune()
    room = battle_room(battle_id)
    assert await seqs(app, room) == list(range(100 - EVENTS, 152))
    app.service(Battles).cache.drop(battle_id)
    assert (await app.service(Battles).get(battle_id)).committed == before
    late = await join(app, room, 50)
    assert (late.verdict, late.reason) == (Verdict.RESET, ResetReason.HISTORY_PRUNED)
    await say(app.service(Battles), battle_id, "and on", clock.now_ms())
    assert (await seqs(app, room))[-1] == 152


async def test_the_log_of_a_battle_keeps_replies_for_a_day(app: App, clock: ManualClock) -> None:
    battle_id = await open_battle(app)
    for n in range(150):
        await say(app.service(Battles), battle_id, f"line {n}", clock.now_ms())
        clock.advance(DAY_S / 100)
    await app.prune()
    kept = await seqs(app, battle_room(battle_id))
    assert kept == list(range(kept[0], 152))
    assert 45 < kept[0] < 60


def abandon(hosted: Hosted, now_ms: int) -> rules.Events:
    battle_id, at = hosted.battle.battle_id, rfc3339(now_ms)
    return (Abandoned(battle_id=battle_id, reason=AbandonReason.NOBODY_SEATED, at=at),)


async def test_the_log_of_a_battle_that_is_over_is_let_go(app: App, clock: ManualClock) -> None:
    battle_id = await open_battle(app)
    for n in range(150):
        await say(app.service(Battles), battle_id, f"line {n}", clock.now_ms())
    await app.service(Battles).carry_out(
        battle_id, lambda h: abandon(h, clock.now_ms()), clock.now_ms()
    )
    ended = (await app.service(Battles).get(battle_id)).committed
    clock.advance(DAY_S + 1)
    await app.prune()
    assert await seqs(app, battle_room(battle_id)) == [152]
    app.service(Battles).cache.drop(battle_id)
    assert (await app.service(Battles).get(battle_id)).committed == ended
    assert await app.database.reader.all(AGED) == []


async def over(app: App, clock: ManualClock) -> str:
    """A battle of which lists were told that somebody came, and that it ended."""
    battle_id = await open_battle(app)
    await tell_line(app, 1, battle_id)
    await app.service(Battles).carry_out(
        battle_id, lambda h: abandon(h, clock.now_ms()), clock.now_ms()
    )
    return battle_id


async def test_the_line_of_a_battle_goes_with_its_log(app: App, clock: ManualClock) -> None:
    gone, there = await over(app, clock), await open_battle(app)
    await tell_line(app, 1, there)
    room = listing_room(gone)
    clock.advance(DAY_S - 1)
    await app.prune()
    assert await seqs(app, room) == [1, 2]
    clock.advance(2)
    await app.prune()
    assert await seqs(app, room) == []
    assert await app.database.reader.all(NUMBERED) == [(listing_room(there), 1)]
    assert await seqs(app, listing_room(there)) == [1]
    late = await join(app, room, 1)
    assert (late.verdict, late.reason, late.seq) == (Verdict.RESET, ResetReason.AHEAD, 0)
    assert b'"status":"abandoned"' in bytes(late.snapshot or b"")


async def test_as_many_battles_as_there_are_age_at_once(app: App, clock: ManualClock) -> None:
    most = MAX_PRUNED + 5
    for _ in range(most):
        await over(app, clock)
    clock.advance(DAY_S + 1)
    await app.prune()
    assert await app.database.reader.all(AGED) == []
    lines = [row for row in await app.database.reader.all(NUMBERED) if row[0].startswith("listing")]
    assert lines == []


async def test_refresh_tokens_go_when_they_expire(app: App, clock: ManualClock) -> None:
    await app.service(Auth).add("somebody", "correct horse", Role.PLAYER)
    clock.advance(6 * DAY_S)
    await app.prune()
    assert await app.database.reader.all(TOKENS) == [(1,)]
    clock.advance(2 * DAY_S)
    await app.prune()
    assert await app.database.reader.all(TOKENS) == [(0,)]
