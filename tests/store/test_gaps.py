"""What a join finds of what was missed, and what it can't tell."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from protocol.battle_events import ChatSaid
from protocol.battles import ChatLine, battle_room
from protocol.permissions import Role
from protocol.times import rfc3339
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles, rules
from server.battles.store import Hosted
from server.config import Settings
from server.database import Work
from server.gateway.rooms import MAX_GAP_BYTES, MAX_GAP_EVENTS
from server.players import Players, spend_stamina, with_regen
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player

AT_ONCE = 400


class Told:
    """A battle in which much is said, and somebody who listens."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.battle_id = next(iter(app.service(Battles).pool.waiting))
        self.room = battle_room(self.battle_id)
        self.ear = Ear(app, player("somebody"))
        self.epoch = ""

    async def join(self, **since: Any) -> Any:
        """Join, or go on from a number."""
        fields = {"since": {"epoch": self.epoch, **since}} if since else {}
        joined = await self.ear.ok("rooms.join", room=self.room, **fields)
        self.epoch = joined["epoch"]
        return joined

    async def say(self, lines: int, size: int = 10) -> None:
        """So many events more, in few commits."""
        line = ChatLine(player_id="p", name="p", text="x" * size, at=rfc3339(0))
        while lines > 0:
            events = [ChatSaid(battle_id=self.battle_id, line=line)] * min(lines, AT_ONCE)

            def decide(_: Hosted, events: list[ChatSaid] = events) -> rules.Events:
                return tuple(events)

            await self.app.service(Battles).carry_out(self.battle_id, decide, 0)
            lines -= len(events)


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    settings = Settings(data_dir=tmp_path, password_hash_cost=4)
    async with opened(settings, ManualClock()) as app:
        await app.start()
        yield Told(app)


async def test_as_much_as_may_be_missed_is_told(told: Told) -> None:
    first = await told.join()
    await told.ear.ok("rooms.leave", room=told.room)
    await told.say(MAX_GAP_EVENTS)
    joined = await told.join(seq=first["seq"])
    assert (joined["verdict"], joined["missed"]) == ("gap_filled", MAX_GAP_EVENTS)
    assert told.ear.numbers(told.room) == list(range(first["seq"] + 1, joined["seq"] + 1))


@pytest.mark.parametrize(
    ("lines", "size"), [(MAX_GAP_EVENTS + 1, 10), (1 + MAX_GAP_BYTES // 10_000, 10_000)]
)
async def test_more_than_that_is_reset(told: Told, lines: int, size: int) -> None:
    first = await told.join()
    await told.say(lines, size)
    joined = await told.join(seq=first["seq"])
    assert (joined["verdict"], joined["reason"]) == ("reset", "gap_too_large")
    assert joined["snapshot"]["seq"] == joined["seq"] == first["seq"] + lines


async def test_what_would_have_a_client_let_go_is_reset(told: Told) -> None:
    first = await told.join()
    await told.say(100)
    told.ear.spare = 10_000
    joined = await told.join(seq=first["seq"])
    assert (joined["verdict"], joined["reason"]) == ("reset", "gap_too_large")
    again = await told.join(seq=joined["seq"] - 10)
    assert (again["verdict"], again["missed"]) == ("gap_filled", 10)


async def test_history_that_is_not_there_any_more_is_reset(told: Told, tmp_path: Path) -> None:
    first = await told.join()
    await told.say(20)
    with closing(sqlite3.connect(tmp_path / "warroom.db")) as connection:
        connection.execute(
            "delete from room_events where room = ? and seq < ?", (told.room, first["seq"] + 11)
        )
        connection.commit()
    joined = await told.join(seq=first["seq"] + 9)
    assert (joined["verdict"], joined["reason"]) == ("reset", "history_pruned")
    assert joined["snapshot"]["seq"] == joined["seq"]
    oldest = await told.join(seq=first["seq"] + 10)
    assert (oldest["verdict"], oldest["missed"]) == ("gap_filled", 10)
    await told.say(1)
    assert told.ear.numbers(told.room)[-1] == joined["seq"] + 1


async def test_what_is_told_by_latest_events_is_told_again_without_a_snapshot(told: Told) -> None:
    logged_in = await told.app.service(Auth).add("somebody", "correct horse", Role.PLAYER)
    room, ear = f"player:{logged_in.user.id}", Ear(told.app, player(logged_in.user.id))
    first = await ear.ok("rooms.join", room=room)
    assert first["snapshot"]["stamina"]["amount"] == 100
    # Spent while the connection was away, or told to one that was dead already.
    entry = await told.app.service(Players).get(logged_in.user.id)
    work = Work(rfc3339(told.app.clock.now_ms()))
    regen = told.app.service(Players).regen
    spent = spend_stamina(with_regen(entry.pending, told.app.clock.now_ms(), regen), 30)
    told.app.service(Players).save_stamina(work, entry, spent)
    await told.app.database.writer.submit(work, b"", None)
    since = {"epoch": first["epoch"], "seq": first["seq"]}
    again = await ear.ok("rooms.join", room=room, since=since)
    assert again["verdict"] == "resumed"
    name, data, meta = ear.heard[-1]
    assert (name, data["stamina"]["amount"]) == ("players.stamina", 70)
    assert "seq" not in meta
