"""Lists are read off an index: what a page costs does not depend on how much there is."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from protocol.permissions import Permission
from server.app import App, opened
from server.battles import Battles
from server.battles import store as battles
from server.config import Settings
from server.database import Statement
from server.gateway import Identity
from server.players import PlayerCount
from server.players import store as players
from server.users import store as users
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines, rows
from tests.support.many import BEGAN_MS, Many, fill
from tests.support.postgres import Postgres

pytestmark = on_both_engines

MANY = Many(waiting=300, in_progress=300, over=3_000, players=1_000)

INDEXES = {
    "battles.page, open": (battles._LIST, "newest", ["open"], "ix_battles_open"),
    "battles.page, status": (battles._LIST, "newest", ["status"], "ix_battles_status_battle_id"),
    "players.page": (players._LIST, "highest", [], "ix_players_level_exp_player_id"),
    "users.page": (users._LIST, "name", ["role", "search"], "uq_users_username_key"),
}
AUTOMATIC = "USING INDEX sqlite_autoindex_users_"
"""SQLite has names of its own for the indexes of unique columns."""
GIVEN: dict[str, dict[str, Any]] = {
    "battles.page": {"place_0": "g", "status": "waiting"},
    "players.page": {"place_0": 20, "place_1": 2**40, "place_2": "g"},
    "users.page": {"place_0": "g", "role": "player", "search": "%a%"},
}


@pytest.fixture
async def url(tmp_path: Path, engine: str, postgres: Postgres | None) -> str:
    return await database(engine, postgres, tmp_path / "test.db")


@pytest.fixture
async def app(tmp_path: Path, url: str) -> AsyncIterator[App]:
    """A server that took up what is open, with one battle of its own offered since."""
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    clock = ManualClock(BEGAN_MS + 1000)
    async with opened(settings, clock):
        await fill(url, MANY)
    async with opened(settings, clock) as app:
        await app.start()
        yield app


async def plan(url: str, statement: Statement) -> str:
    """How the database goes about it, in its words."""
    given = {"count": 21, **GIVEN[statement.name]}
    values = [given[name] for name in statement.parameters]
    if url.startswith("postgresql"):
        connection = await asyncpg.connect(url)
        try:
            found = await connection.fetch(f"explain {statement.postgres}", *values)
        finally:
            await connection.close()
        return "\n".join(row[0] for row in found)
    text = statement.sqlite
    for place, value in enumerate(values, 1):
        text = text.replace(f"?{place}", json.dumps(value).replace('"', "'"))
    return "\n".join(row[3] for row in await rows(url, f"explain query plan {text}"))


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("name", INDEXES)
async def test_a_page_is_read_off_its_index(app: App, url: str, name: str, begun: bool) -> None:
    listing, sort, filters, index = INDEXES[name]
    found = await plan(url, listing.statement(sort, filters, begun=begun))
    assert index in found or (index.startswith("uq_") and AUTOMATIC in found), found
    assert "sort" not in found.lower(), found
    assert "temp b-tree" not in found.lower(), found


async def test_open_battles_are_all_met_once_the_newest_first(app: App, url: str) -> None:
    ear = await Ear(app, player("somebody")).open()
    found, cursor = [], None
    while True:
        page = await ear.ok("battles.list", limit=70, cursor=cursor)
        assert len(page["items"]) == 70 or page["next"] is None
        found += page["items"]
        cursor = page["next"]
        if cursor is None:
            break
    ids = [line["battle_id"] for line in found]
    assert ids == sorted(set(ids), reverse=True)
    there = await rows(url, "select battle_id from battles where status <> 'abandoned'")
    assert set(ids) == {battle_id for (battle_id,) in there}
    assert {line["status"] for line in found} == {"waiting", "in_progress"}
    counted = app.service(Battles).pool.counted()
    assert (counted.waiting, counted.in_progress) == (MANY.waiting, MANY.in_progress)
    assert counted.newest_id == ids[0]
    only = await ear.ok("battles.list", status="in_progress", limit=200)
    assert {line["status"] for line in only["items"]} == {"in_progress"}


async def test_seats_are_taken_up_at_start(app: App) -> None:
    ear = await Ear(app, Identity("w", "w", frozenset({Permission.CONNECT}))).open()
    seated, cursor = 0, None
    while True:
        page = await ear.ok("players.list", limit=200, cursor=cursor)
        seated += sum(profile["battle_id"] is not None for profile in page["items"])
        cursor = page["next"]
        if cursor is None:
            break
    assert seated == MANY.in_progress == len(app.service(Battles).pool.seats)
    registered = app.service(PlayerCount).counted().registered
    assert registered == MANY.players + MANY.in_progress + MANY.over
