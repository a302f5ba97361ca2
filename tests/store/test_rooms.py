"""Rooms on a real database: numbered events reach a member strictly by their number."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.battle_events import ChatSaid
from protocol.battles import ChatLine
from protocol.errors import Failure
from protocol.gateway import EvictionReason, JoinRoom, RoomReason
from protocol.permissions import Permission, Role, granted
from protocol.rooms import KINDS, RoomKind
from server.app import App, opened
from server.battles import Battles, rules
from server.battles.store import Hosted
from server.config import Settings
from server.gateway import Identity
from server.gateway.connection import Connection
from server.transport.outbox import Frame
from tests.support.clock import ManualClock


class Ear(Connection):
    """A connection that remembers what it was sent."""

    def __init__(self) -> None:
        person = Identity("somebody", "somebody", granted(Role.PLAYER), Role.PLAYER)
        super().__init__("ear", person, "", 0)
        self.heard: list[int | None] = []
        self.told = asyncio.Event()

    def send(self, frame: Frame) -> None:
        self.heard.append(frame.seq)
        self.told.set()

    def answer(self, ack: str, reply: bytes) -> None:
        """It asks nothing."""
        raise AssertionError(reply)

    def close(self) -> None:
        self.closed = True
        self.told.set()

    def evict(self, reason: EvictionReason) -> None:
        self.close()

    def check(self) -> None:
        """It takes all at once."""

    async def until(self, number: int) -> None:
        while number not in self.heard:
            self.told.clear()
            await self.told.wait()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def app(tmp_path: Path, clock: ManualClock) -> AsyncIterator[App]:
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=4), clock) as app:
        await app.start()
        yield app


async def say(battles: Battles, battle_id: str, text: str, now: int = 0) -> None:
    """One more event in a battle's log."""

    def decide(_: Hosted) -> rules.Events:
        line = ChatLine(player_id="p", name="p", text=text, at="")
        return (ChatSaid(battle_id=battle_id, line=line),)

    await battles.carry_out(battle_id, decide, now)


async def test_a_hole_is_filled_from_the_history_in_order(app: App, clock: ManualClock) -> None:
    battle_id = next(iter(app.service(Battles).pool.waiting))
    room, rooms, ear = f"battle:{battle_id}", app.gateway.rooms, Ear()
    verdict = await rooms.join(ear, JoinRoom(room=room))
    verdict.release()
    first = verdict.reply.seq
    # As when telling fails: the member is passed over for two events.
    members = rooms._members.pop(room)
    for text in ("missed", "missed too"):
        await say(app.service(Battles), battle_id, text)
    rooms._members[room] = members
    await say(app.service(Battles), battle_id, "heard")
    assert ear.heard == []
    await clock.asleep()
    await say(app.service(Battles), battle_id, "meanwhile")
    clock.advance(0.2)
    async with asyncio.timeout(10):
        await ear.until(first + 4)
    assert ear.heard == [first + 1, first + 2, first + 3, first + 4]
    await say(app.service(Battles), battle_id, "live again")
    assert ear.heard[-1] == first + 5


async def test_events_while_joining_are_held_and_told_once(app: App) -> None:
    battle_id = next(iter(app.service(Battles).pool.waiting))
    room, rooms, ear = f"battle:{battle_id}", app.gateway.rooms, Ear()
    verdict = await rooms.join(ear, JoinRoom(room=room))
    await say(app.service(Battles), battle_id, "between snapshot and release")
    assert ear.heard == []
    verdict.release()
    assert ear.heard == [verdict.reply.seq + 1]


async def test_a_connection_that_is_gone_is_in_no_room(app: App) -> None:
    battle_id = next(iter(app.service(Battles).pool.waiting))
    rooms, ear = app.gateway.rooms, Ear()
    for room in ("battles", f"battle:{battle_id}"):
        (await rooms.join(ear, JoinRoom(room=room))).release()
        assert rooms.watched(room)
    rooms.leave_all(ear)
    assert not rooms.watched("battles")
    assert not rooms.watched(f"battle:{battle_id}")


async def test_a_connection_is_in_so_many_rooms_and_no_more(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.gateway.rooms.MAX_ROOMS", 2)
    ear, rooms = Ear(), app.gateway.rooms
    for room in ("battles", "players", "players"):  # who is in a room may join it anew
        await rooms.join(ear, JoinRoom(room))
    battle_id = (await app.service(Battles).page(None, 1, None)).items[0].battle_id
    with pytest.raises(Failure) as caught:
        await rooms.join(ear, JoinRoom(f"battle:{battle_id}"))
    assert caught.value.error.reason == RoomReason.TOO_MANY_ROOMS
    assert sorted(rooms.joined(ear)) == ["battles", "players"]
    rooms.leave(ear, "players")
    await rooms.join(ear, JoinRoom(f"battle:{battle_id}"))


async def test_a_server_with_a_kind_of_room_that_nothing_provides_does_not_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = RoomKind("pets", False, Permission.CONNECT, "No domain has them.")
    monkeypatch.setitem(KINDS, "pets", kind)
    with pytest.raises(RuntimeError, match="no provider for the rooms pets"):
        async with opened(Settings(data_dir=tmp_path), ManualClock()):
            pass
