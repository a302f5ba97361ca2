"""Profiles: who is here, in which battle, at which level; told to whoever watches, and no other."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from protocol.gateway import JoinRoom
from protocol.permissions import Permission, Role, granted
from protocol.players import players_room, profile_room
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.battles.service import BattleService
from server.config import Settings
from server.database import Reader, Statement, Unavailable, Work
from server.gateway import Identity
from server.players import PlayerCount, Players, Profiles
from server.players.rules import gain
from server.runtime.background import GATHER_S, PUBLISH_EVERY_S
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines
from tests.support.folds import Told
from tests.support.postgres import Postgres

pytestmark = on_both_engines

NAMES = ("ada", "ben", "cyd", "dan", "eva")
DELETE = Statement("test.delete", "delete from users where username = :name")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def settings(tmp_path: Path, engine: str, postgres: Postgres | None) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        database_url=await database(engine, postgres, tmp_path / "test.db"),
        password_hash_cost=4,
    )


@pytest.fixture
async def app(settings: Settings, clock: ManualClock) -> AsyncIterator[App]:
    async with opened(settings, clock) as app:
        await app.start()
        yield app


@pytest.fixture
async def people(app: App) -> dict[str, str]:
    """The ids of some players, by name."""
    added = [await app.service(Auth).add(name, "correct horse", Role.PLAYER) for name in NAMES]
    return {logged_in.user.username: logged_in.user.id for logged_in in added}


async def watching(app: App, *names: str) -> Ear:
    """Somebody who may only connect, in these rooms."""
    ear = Ear(app, Identity("watcher", "watcher", frozenset({Permission.CONNECT})))
    for room in names:
        (await app.gateway.rooms.join(ear, JoinRoom(room=room))).release()
    return ear


async def told(app: App, ear: Ear) -> list[dict[str, Any]]:
    """What was told of profiles since the last time."""
    await app.service(Profiles).look_up_arrived()
    await app.service(Profiles).rows.publish_touched()
    heard, ear.heard = ear.heard, []
    return [item.data["profile"] for item in heard if isinstance(item, Told)]


async def rise(app: App, player_id: str, exp: int) -> None:
    """Let a player gain exp."""
    entry = await app.service(Players).get(player_id)
    work = Work("2026-11-23T01:39:02.123Z")
    now = app.clock.now_ms()
    app.service(Players).save(work, entry, gain(entry.pending, 0, exp, now), why="reward", now=now)
    await app.database.writer.submit(work, b"", None)


async def listed(app: App, **fields: Any) -> list[dict[str, Any]]:
    """A whole list, page by page."""
    asking = await Ear(app, Identity("asks", "asks", frozenset({Permission.CONNECT}))).open()
    found, cursor = [], None
    while True:
        page = await asking.ok("players.list", **fields, cursor=cursor)
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            await asking.gone()
            return found


async def test_the_first_connection_and_the_last_are_told(app: App, people: dict[str, str]) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    first = await Ear(app, player(people["ada"])).open()
    assert [profile["online"] for profile in await told(app, ear)] == [True]
    second = await Ear(app, player(people["ada"])).open()
    await first.gone()
    assert await told(app, ear) == []
    await second.gone()
    assert await told(app, ear) == [
        {
            "player_id": people["ada"],
            "name": "ada",
            "level": 1,
            "online": False,
            "battle_id": None,
        }
    ]


@pytest.mark.parametrize("role", [Role.AGENT, Role.VIEWER])
async def test_who_may_not_play_is_no_player_that_is_here(
    app: App, people: dict[str, str], role: Role
) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    one = await Ear(app, Identity(people["ada"], "ada", granted(role), role)).open()
    service = await Ear(app, Identity("a service", "s", frozenset({Permission.CONNECT}))).open()
    assert await told(app, ear) == []
    assert await listed(app, online=True) == []
    # The person may play again, on another connection, before the old one is found gone.
    other = await Ear(app, player(people["ada"])).open()
    assert [profile["online"] for profile in await told(app, ear)] == [True]
    await one.gone()
    assert [profile["name"] for profile in await listed(app, online=True)] == ["ada"]
    await other.gone()
    await service.gone()
    assert await listed(app, online=True) == []


async def test_a_seat_is_told_when_it_is_taken_and_given_up(
    app: App, people: dict[str, str]
) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    ada = await Ear(app, player(people["ada"])).open()
    battle_id = next(
        battle_id
        for battle_id, line in app.service(Battles).pool.waiting.items()
        if line.required_level == 1
    )
    await ada.ok("battles.join", battle_id=battle_id)
    assert (await told(app, ear))[-1]["battle_id"] == battle_id
    await ada.ok("battles.leave", battle_id=battle_id)
    assert (await told(app, ear))[-1]["battle_id"] is None
    await ada.ok("battles.join", battle_id=battle_id)
    assert (await told(app, ear))[-1]["battle_id"] == battle_id
    # Whoever is away for too long gives up the seat, and then nobody is left: it is over.
    await ada.gone()
    assert (await told(app, ear))[-1]["online"] is False
    service = BattleService(app.service(Battles), app.gateway, app.clock)
    assert isinstance(app.clock, ManualClock)
    app.clock.advance(121)
    await service.tick()
    assert (await told(app, ear))[-1]["battle_id"] is None
    assert app.service(Battles).pool.seats == {}


async def test_the_end_of_a_battle_leaves_nobody_in_it(app: App, people: dict[str, str]) -> None:
    ear = await watching(app, *(profile_room(people[name]) for name in ("ada", "ben")))
    battle_id = next(iter(app.service(Battles).pool.waiting))
    both = [await Ear(app, player(people[name])).open() for name in ("ada", "ben")]
    for one in both:
        await rise(app, one.identity.id, 100_000)
        await one.ok("battles.join", battle_id=battle_id)
    await told(app, ear)
    # All are down until it is abandoned: nobody strikes, and all stay seated.
    service = BattleService(app.service(Battles), app.gateway, app.clock)
    assert isinstance(app.clock, ManualClock)
    while battle_id in app.service(Battles).pool:
        app.clock.advance(10)
        await service.tick()
    ended = (await app.service(Battles).get(battle_id)).committed.battle
    assert all(seat.seated for seat in ended.seats.values())
    assert {profile["name"]: profile["battle_id"] for profile in await told(app, ear)} == {
        "ada": None,
        "ben": None,
    }
    assert [profile["battle_id"] for profile in await listed(app, online=True)] == [None, None]


async def test_a_level_is_told_and_exp_alone_is_not(app: App, people: dict[str, str]) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    await rise(app, people["ada"], 99)
    assert await told(app, ear) == []
    await rise(app, people["ada"], 1)
    assert [profile["level"] for profile in await told(app, ear)] == [2]


async def test_a_profile_is_told_before_the_answer_to_what_changed_it(
    app: App, people: dict[str, str]
) -> None:
    ada = await Ear(app, player(people["ada"])).open()
    await ada.ok("rooms.join", room=profile_room(people["ada"]))
    battle_id = next(
        battle_id
        for battle_id, line in app.service(Battles).pool.waiting.items()
        if line.required_level == 1
    )
    await ada.ok("battles.join", battle_id=battle_id)
    assert [item.name for item in ada.heard[-2:]] == ["players.profile_changed", "battles.join"]


async def test_a_player_who_is_not_here_is_told_of_too(app: App, people: dict[str, str]) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    app.service(Players).cache.drop(people["ada"])
    await rise(app, people["ada"], 2_000)
    assert ear.heard == []
    (profile,) = await told(app, ear)
    assert (profile["online"], profile["level"]) == (False, 10)


async def test_who_is_deleted_is_told_to_be_gone(app: App, people: dict[str, str]) -> None:
    ear = await watching(app, profile_room(people["ada"]))
    ada = await Ear(app, player(people["ada"])).open()
    assert [profile["online"] for profile in await told(app, ear)] == [True]
    work = Work("2026-11-23T01:39:02.123Z")
    work.change(DELETE, name="ada")
    await app.database.writer.submit(work, b"", None)
    app.service(Players).cache.drop(people["ada"])
    await ada.gone()
    assert [profile["online"] for profile in await told(app, ear)] == [False]


async def test_nothing_is_read_for_a_profile_that_nobody_watches(
    app: App, people: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = await Ear(app, player(people["ada"])).open()
    await rise(app, people["ada"], 100)
    await ada.gone()
    app.service(Players).cache.drop(people["ada"])
    asked: list[str] = []
    real = Reader.one

    async def one(self: Reader, statement: Statement, /, **given: Any) -> Any:
        asked.append(statement.name)
        return await real(self, statement, **given)

    monkeypatch.setattr(Reader, "one", one)
    await app.service(Profiles).look_up_arrived()
    await app.service(Profiles).rows.publish_touched()
    assert asked == []
    ear = await watching(app, profile_room(people["ada"]))
    app.service(Profiles).touch(people["ada"])
    assert len(await told(app, ear)) == 1
    assert "players.by_id" in asked


async def test_a_profile_of_nobody_is_not_there(app: App) -> None:
    ear = await Ear(app, Identity("watcher", "w", frozenset({Permission.CONNECT}))).open()
    answer = await ear.ask("rooms.join", room="profile:nobody")
    assert answer["error"] == {"code": "not_found", "message": "no such player"}


async def test_players_are_listed_by_level_then_exp(app: App, people: dict[str, str]) -> None:
    for name, exp in {"ben": 250, "cyd": 120, "dan": 110, "eva": 250}.items():
        await rise(app, people[name], exp)
    names = [(p["name"], p["level"]) for p in await listed(app, limit=2)]
    assert names == [("eva", 3), ("ben", 3), ("cyd", 2), ("dan", 2), ("ada", 1)]
    for name in ("ada", "cyd", "eva"):
        await Ear(app, player(people[name])).open()
    online = [(p["name"], p["online"]) for p in await listed(app, limit=1, online=True)]
    assert online == [("eva", True), ("cyd", True), ("ada", True)]
    everybody = {p["name"]: p["online"] for p in await listed(app)}
    assert everybody == {"ada": True, "ben": False, "cyd": True, "dan": False, "eva": True}
    # Who is here is found where they are now.
    await rise(app, people["ada"], 10_000)
    assert [p["name"] for p in await listed(app, online=True)] == ["ada", "eva", "cyd"]


@pytest.mark.parametrize("online", [False, True])
async def test_pages_stay_whole_while_players_rise(
    app: App, people: dict[str, str], online: bool
) -> None:
    for place, name in enumerate(NAMES):
        await rise(app, people[name], 1000 - 100 * place)
        await Ear(app, player(people[name])).open()
    asking = await Ear(app, Identity("asks", "asks", frozenset({Permission.CONNECT}))).open()
    first = await asking.ok("players.list", online=online, limit=2)
    assert [p["name"] for p in first["items"]] == ["ada", "ben"]
    await rise(app, people["ben"], 50)  # seen already
    await rise(app, people["dan"], 150)  # still after the page
    await rise(app, people["eva"], 5000)  # passes it
    second = await asking.ok("players.list", online=online, limit=2, cursor=first["next"])
    assert [p["name"] for p in second["items"]] == ["dan", "cyd"]
    assert second["next"] is None
    names = [p["name"] for p in await listed(app, online=online)]
    assert names == ["eva", "ada", "ben", "dan", "cyd"]


@pytest.mark.parametrize(
    "cursor", ["x", "1.2", "1.x.a", "-1.0.a", "1.-1.a", "2147483648.0.a", f"1.{2**63}.a", "1e3.0.a"]
)
@pytest.mark.parametrize("online", [False, True])
async def test_a_cursor_of_no_list_is_invalid(app: App, cursor: str, online: bool) -> None:
    ear = await Ear(app, Identity("asks", "asks", frozenset({Permission.CONNECT}))).open()
    answer = await ear.ask("players.list", online=online, cursor=cursor)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "cursor")


async def test_counts_are_told_together_and_at_most_once_a_second(
    app: App, people: dict[str, str], clock: ManualClock
) -> None:
    ear = await watching(app, players_room())
    task = asyncio.create_task(app.service(PlayerCount).keep_published())
    ears = [await Ear(app, player(ident)).open() for ident in people.values()]
    assert await clock.asleep() == GATHER_S
    clock.advance(GATHER_S)
    assert await clock.asleep() == PUBLISH_EVERY_S - GATHER_S
    await app.service(Auth).add("fay", "correct horse", Role.PLAYER)
    await ears[0].gone()
    clock.advance(PUBLISH_EVERY_S - GATHER_S)
    assert await clock.asleep() == GATHER_S
    clock.advance(GATHER_S)
    await clock.asleep()
    assert [item.data for item in ear.heard if isinstance(item, Told)] == [
        {"online": 5, "registered": 5},
        {"online": 4, "registered": 6},
    ]
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_players_added_beside_this_process_are_counted_now_and_then(
    app: App, people: dict[str, str], settings: Settings, clock: ManualClock
) -> None:
    assert app.service(PlayerCount).counted().registered == len(people)
    async with opened(settings, clock) as other:
        await other.service(Auth).add("fay", "correct horse", Role.PLAYER)
        assert app.service(PlayerCount).counted().registered == len(people)
        await app.service(PlayerCount).recount()
        assert app.service(PlayerCount).counted().registered == len(people) + 1
        work = Work("2026-11-23T01:39:02.123Z")
        work.change(DELETE, name="ada")
        await other.database.writer.submit(work, b"", None)
    await app.service(PlayerCount).recount()
    assert app.service(PlayerCount).counted().registered == len(people)


async def test_who_can_not_be_looked_up_is_here_once_they_can(
    app: App, people: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, away = Reader.one, [True]

    async def one(self: Reader, statement: Statement, /, **given: Any) -> Any:
        if away[0]:
            raise Unavailable("it does not answer")
        return await real(self, statement, **given)

    monkeypatch.setattr(Reader, "one", one)
    ears = [await Ear(app, player(people[name])).open() for name in ("ada", "ben")]
    with pytest.raises(Unavailable):
        await app.service(Profiles).look_up_arrived()
    await ears[0].gone()
    assert app.service(PlayerCount).counted().online == 0
    away[0] = False
    await app.service(Profiles).look_up_arrived()
    assert [profile["name"] for profile in await listed(app, online=True)] == ["ben"]


async def test_a_new_process_knows_seats_and_finds_nobody_here(
    settings: Settings, engine: str, clock: ManualClock, tmp_path: Path
) -> None:
    async with opened(settings, clock) as app:
        await app.start()
        logged_in = await app.service(Auth).add("ada", "correct horse", Role.PLAYER)
        ada = await Ear(app, player(logged_in.user.id)).open()
        battle_id = next(iter(app.service(Battles).pool.waiting))
        await rise(app, ada.identity.id, 100_000)
        await ada.ok("battles.join", battle_id=battle_id)
        if engine == "sqlite":  # as after a kill: nothing of the end gets there
            shutil.copy(tmp_path / "test.db", tmp_path / "killed.db")
            shutil.copy(tmp_path / "test.db-wal", tmp_path / "killed.db-wal")
    for url in {settings.database, settings.database.replace("test.db", "killed.db")}:
        if url != settings.database and engine != "sqlite":
            continue
        again = Settings(data_dir=settings.data_dir, database_url=url, password_hash_cost=4)
        async with opened(again, clock) as app:
            await app.start()
            (profile,) = await listed(app)
            assert (profile["online"], profile["battle_id"]) == (False, battle_id)
            assert app.service(PlayerCount).counted().online == 0
            assert app.service(PlayerCount).counted().registered == 1
