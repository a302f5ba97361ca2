"""The providers that domains declare their rooms with."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol import rooms
from protocol.errors import Failure
from protocol.facts import room_of
from protocol.message import KEPT, Event, Kind, specs
from protocol.permissions import Role
from protocol.players import Profile, ProfileChanged, profile_room
from protocol.users import UserDeleted, UserView, user_room
from server.app import App, opened
from server.auth import Auth
from server.config import Settings
from server.database import Reading, Unavailable
from server.gateway import (
    CounterRoom,
    LogRoom,
    RowRoom,
    StateRoom,
    own,
)
from server.runtime.background import PUT_OFF_S
from server.users import Users
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.folds import Told


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[App]:
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=4), ManualClock()) as app:
        yield app


def test_rooms_with_kept_events_have_a_snapshot_that_is_numbered(app: App) -> None:
    events = [s.type for s in specs(Kind.EVENT) if s.delivery is KEPT and issubclass(s.type, Event)]
    kept = {room_of(event).partition(":")[0] for event in events}
    found = app.gateway.rooms._providers
    assert found.keys() == rooms.KINDS.keys()
    for word, provider in found.items():
        assert isinstance(provider, StateRoom | LogRoom) == (word in kept), word
        assert isinstance(provider, CounterRoom | RowRoom) == (word not in kept), word
        assert isinstance(provider, CounterRoom) == (not rooms.KINDS[word].keyed), word


class Rows:
    """Rows of profiles, some of which can't be read now."""

    def __init__(self, app: App) -> None:
        self.away: set[str] = set()
        self.asked: list[str] = []
        self.room = RowRoom(
            app.gateway.rooms,
            app.clock,
            profile_room,
            "player",
            self.read,
            lambda profile: ProfileChanged(profile=profile),
        )

    async def read(self, ident: str) -> Profile | None:
        self.asked.append(ident)
        if ident in self.away:
            raise Unavailable("it does not answer")
        return None if ident == "nobody" else Profile(ident, ident, 1, True)


async def watching(app: App, *idents: str) -> Ear:
    """Somebody in the rooms of some profiles, whatever their provider says."""
    ear = await Ear(app, player("watcher")).open()
    for ident in idents:
        app.gateway.rooms.enter(ear, profile_room(ident))
    return ear


def shown(ear: Ear) -> list[str]:
    """The rows that were published, in order."""
    told = [item for item in ear.heard if isinstance(item, Told)]
    assert all("seq" not in item.meta for item in told)
    return [item.data["profile"]["player_id"] for item in told]


async def test_a_row_that_was_touched_is_published_once(app: App) -> None:
    rows, ear = Rows(app), await watching(app, "a", "b", "nobody")
    for ident in ("a", "a", "nobody", "c"):
        rows.room.touch(ident)
    await rows.room.publish_touched()
    assert shown(ear) == ["a"]
    assert sorted(rows.asked) == ["a", "nobody"], "nobody is in the room of c"
    await rows.room.publish_touched()
    assert shown(ear) == ["a"]


async def test_a_row_at_hand_is_made_only_where_somebody_is_in_its_room(app: App) -> None:
    rows, ear = Rows(app), await watching(app, "a")
    rows.room.publish("a", lambda: Profile("a", "a", 1, True))
    rows.room.publish("b", lambda: pytest.fail("nobody is in its room"))
    assert shown(ear) == ["a"]
    assert rows.asked == []


async def test_rows_that_can_not_be_read_are_published_once_they_can(app: App) -> None:
    assert isinstance(app.clock, ManualClock)
    rows, ear = Rows(app), await watching(app, "a", "b")
    rows.away = {"a"}
    task = asyncio.create_task(rows.room.run())
    rows.room.touch("a")
    assert await app.clock.asleep() == PUT_OFF_S
    app.clock.advance(PUT_OFF_S)
    assert await app.clock.asleep() == PUT_OFF_S
    assert rows.asked == ["a", "a"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    rows.away.clear()
    rows.room.touch("b")
    await rows.room.publish_touched()
    assert sorted(shown(ear)) == ["a", "b"]


async def test_an_event_that_is_kept_is_published_by_a_commit_alone(app: App) -> None:
    with pytest.raises(ValueError, match=r"users\.deleted is kept"):
        app.gateway.rooms.publish_latest(UserDeleted(user_id="a"))


async def test_a_state_that_is_known_is_not_read_and_one_that_is_not_there_is_not_found(
    app: App,
) -> None:
    asked: list[str] = []

    async def read(reading: Reading, ident: str) -> UserView | None:
        asked.append(ident)
        user = await Users.read(reading, ident)
        return None if user is None else user.view

    room = StateRoom(app.database.reader, user_room, "user", read, known="known".__eq__)
    identity = player("p")
    await room.authorise(identity, "known")
    assert asked == []
    for call in (room.authorise(identity, "nobody"), room.snapshot("nobody")):
        with pytest.raises(Failure, match="no such user"):
            await call
    assert asked == ["nobody", "nobody"]
    assert await room.latest("nobody") == []
    assert len(asked) == 2, "it has no latest events"
    added = await app.service(Auth).add("ada", "correct horse", Role.PLAYER)
    seq, view = await room.snapshot(added.user.id)
    assert isinstance(view, UserView)
    assert (seq, view.username) == (0, "ada")


async def test_only_one_s_own_room_is_one_s_own() -> None:
    await own(player("p"), "p")
    with pytest.raises(Failure, match="no such room"):
        await own(player("p"), "q")


async def test_a_counter_is_not_counted_where_nobody_is(app: App) -> None:
    provider = app.gateway.rooms._providers["players"]
    assert isinstance(provider, CounterRoom)
    provider._value = lambda: pytest.fail("nobody is in the room")  # type: ignore[assignment]
    provider.publish()
