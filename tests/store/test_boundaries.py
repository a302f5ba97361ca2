"""Limits in time, in number and in place: what is exactly at one, and what is one beyond it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.battles import Difficulty, battle_room, listing_room
from protocol.gateway import Joined, JoinRoom, ResetReason, Since, Verdict
from protocol.permissions import Role
from protocol.times import rfc3339
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.config import Settings
from server.database import Request, Statement, Work
from server.database.history import find_reply
from server.players import Players, spend_gems
from tests.store.bench import LISTING, listed
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, execute, on_both_engines, rows
from tests.support.postgres import Postgres

pytestmark = on_both_engines

EVENTS = 10
AGE_S = 600
DAY_S = 86_400
MS = 0.001

SEQS = Statement("test.seqs", "select seq from room_events where room = :room order by seq")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def settings(tmp_path: Path, engine: str, postgres: Postgres | None) -> Settings:
    return Settings(
        data_dir=tmp_path,
        database_url=await database(engine, postgres, tmp_path / "test.db"),
        password_hash_cost=4,
        history_events=EVENTS,
        history_s=AGE_S,
    )


@pytest.fixture
async def app(settings: Settings, clock: ManualClock) -> AsyncIterator[App]:
    async with opened(settings, clock) as app:
        await app.start()
        yield app


async def tell_line(app: App, times: int, battle_id: str | None = None) -> None:
    for _ in range(times):
        work = Work(rfc3339(app.clock.now_ms()))
        work.publish(listed() if battle_id is None else listed(battle_id))
        await app.database.writer.submit(work, b"", None)


async def seqs(app: App) -> list[int]:
    return [row[0] for row in await app.database.reader.all(SEQS, room=LISTING)]


async def test_a_reply_is_kept_for_a_day_to_the_millisecond(app: App, clock: ManualClock) -> None:
    work = Work(rfc3339(clock.now_ms()))
    await app.database.writer.submit(work, b"{}", Request(("a", "once"), "d"))
    clock.advance(DAY_S)
    await app.prune()
    assert await find_reply(app.database.reader, "a", "once") is not None
    clock.advance(MS)
    await app.prune()
    assert await find_reply(app.database.reader, "a", "once") is None


async def test_an_event_is_young_for_so_long_to_the_millisecond(
    app: App, clock: ManualClock
) -> None:
    await tell_line(app, EVENTS + 5)
    clock.advance(AGE_S)
    await app.prune()
    assert await seqs(app) == list(range(1, EVENTS + 6))
    clock.advance(MS)
    await app.prune()
    assert await seqs(app) == list(range(6, EVENTS + 6))


@pytest.mark.parametrize("more", [0, 1])
async def test_so_many_events_stay_and_not_one_more(
    app: App, clock: ManualClock, more: int
) -> None:
    await tell_line(app, EVENTS + more)
    clock.advance(AGE_S + 1)
    await app.prune()
    assert await seqs(app) == list(range(1 + more, EVENTS + more + 1))


# ---- where a client goes on


class Place:
    """A room with a history of which the oldest events are pruned."""

    def __init__(self, app: App, room: str, oldest: int, newest: int) -> None:
        self.app, self.room = app, room
        self.oldest, self.newest = oldest, newest

    async def join(self, seq: int) -> Joined:
        """Go on from a number."""
        ear = Ear(self.app, player("somebody"))
        since = Since(self.app.database.epoch, seq)
        return (await self.app.gateway.rooms.join(ear, JoinRoom(room=self.room, since=since))).reply


@pytest.fixture
async def place(app: App, clock: ManualClock) -> Place:
    """The line of a battle, numbered by a row."""
    battle_id = next(iter(app.service(Battles).pool.waiting))
    await tell_line(app, EVENTS + 5, battle_id)
    clock.advance(AGE_S + 1)
    await app.prune()
    return Place(app, listing_room(battle_id), 6, EVENTS + 5)


async def test_whoever_has_the_newest_has_missed_nothing(place: Place) -> None:
    joined = await place.join(place.newest)
    assert (joined.verdict, joined.seq, joined.snapshot) == (Verdict.RESUMED, place.newest, None)


@pytest.mark.parametrize("by", [1, 2])
async def test_whoever_is_ahead_is_reset(place: Place, by: int) -> None:
    joined = await place.join(place.newest + by)
    assert (joined.verdict, joined.reason) == (Verdict.RESET, ResetReason.AHEAD)
    assert joined.seq == place.newest
    assert joined.snapshot is not None


async def test_whoever_is_one_ahead_of_a_log_is_reset(app: App) -> None:
    """A battle's room, which is numbered by its log."""
    battle_id = next(iter(app.service(Battles).pool.waiting))
    place = Place(app, battle_room(battle_id), 1, 1)
    assert (await place.join(1)).verdict is Verdict.RESUMED
    joined = await place.join(2)
    assert (joined.verdict, joined.reason) == (Verdict.RESET, ResetReason.AHEAD)


async def test_whoever_lacks_only_what_is_there_is_told_it(place: Place) -> None:
    joined = await place.join(place.oldest - 1)
    assert (joined.verdict, joined.missed) == (Verdict.GAP_FILLED, EVENTS)


async def test_whoever_lacks_one_that_is_pruned_is_reset(place: Place) -> None:
    joined = await place.join(place.oldest - 2)
    assert (joined.verdict, joined.reason) == (Verdict.RESET, ResetReason.HISTORY_PRUNED)


# ---- done before


async def seated(app: App) -> tuple[Ear, str]:
    """Somebody with a seat."""
    alice = await app.service(Auth).add("alice", "correct horse", Role.PLAYER)
    ear = await Ear(app, player(alice.user.id)).open()
    waiting = app.service(Battles).pool.waiting.items()
    battle_id = next(b for b, summary in waiting if summary.difficulty is Difficulty.EASY)
    await ear.ok("battles.join", battle_id=battle_id)
    return ear, battle_id


async def test_what_is_refused_now_and_was_done_before_gets_its_first_reply(
    settings: Settings, clock: ManualClock
) -> None:
    """By another process, which has no replies in memory: it looks before it refuses."""
    async with opened(settings, clock) as app:
        await app.start()
        ear, battle_id = await seated(app)
        wanted: dict[str, dict[str, Any]] = {
            "battles.attack": {"battle_id": battle_id, "enemy_id": 1, "request_id": "strike"},
            "battles.leave": {"battle_id": battle_id, "request_id": "leave"},
        }
        first = {name: await ear.ask(name, **sent) for name, sent in wanted.items()}
        assert all(reply["ok"] for reply in first.values())
        user_id = ear.identity.id
    for in_memory in (False, True):
        async with opened(settings, clock) as app:
            await app.start()
            ear = await Ear(app, player(user_id)).open()
            for name, sent in wanted.items():
                if in_memory:  # then it is refused at once
                    new = await ear.ask(name, **{**sent, "request_id": f"{sent['request_id']}-2"})
                    assert new["error"]["reason"] == "not_seated"
                assert await ear.ask(name, **sent) == first[name]
                other = await ear.ask(
                    "battles.join", battle_id=battle_id, request_id=sent["request_id"]
                )
                assert other["error"]["reason"] == "request_id_reused"


# ---- money


async def test_gems_that_are_spent_have_their_row(app: App, settings: Settings) -> None:
    alice = (await app.service(Auth).add("alice", "correct horse", Role.PLAYER)).user.id
    await execute(
        settings.database,
        "update players set gems = 70",
        "insert into ledger (id, player_id, at, currency, amount, balance_after, why)"
        " select 'given', player_id, 0, 'gems', 70, 70, 'given' from players",
    )
    players = app.service(Players)
    players.cache.drop(alice)
    entry, work = await players.get(alice), Work(rfc3339(app.clock.now_ms()))
    poorer = spend_gems(entry.pending, 50)
    players.save(work, entry, poorer, why="revive", now=app.clock.now_ms(), ref="battle")
    await app.database.writer.submit(work, b"", None)
    found = await rows(
        settings.database,
        "select currency, amount, balance_after, why, ref from ledger where why = 'revive'",
    )
    assert found == [("gems", -50, 20, "revive", "battle")]
