"""Lists page by page, on both engines: stable under changes, and each with cursors of its own."""

from collections.abc import AsyncIterator
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import bindparam, select

from protocol.errors import Failure
from protocol.message import Kind, specs
from protocol.pages import item_of
from protocol.permissions import Role, granted
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.config import Settings
from server.database import ESCAPE, Listing, Row, Statement, Work, ascending, containing, descending
from server.gateway import Identity
from server.users import Users
from server.users.tables import users
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines
from tests.support.postgres import Postgres

pytestmark = on_both_engines

NAMES = ("ada", "Ben", "cyd", "dan", "eva", "fay", "gus")
DELETE = Statement("test.delete", "delete from users where username = :name")
BOSS = Identity("boss", "boss", granted(Role.ADMIN), Role.ADMIN)
LISTS: dict[str, dict[str, Any]] = {
    "users.list": {"role": "player"},
    "players.list": {"online": True},
    "battles.list": {"status": "waiting"},
    "connections.list": {"user_id": "01a20629-2f24-79f0-9df7-df12e7c4209b"},
}
"""Lists, each with a filter that it may have."""


@pytest.fixture
async def app(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[App]:
    """A server with some users, two of whom are here."""
    settings = Settings(
        data_dir=tmp_path / "data",
        database_url=await database(engine, postgres, tmp_path / "test.db"),
        password_hash_cost=4,
    )
    async with opened(settings, ManualClock()) as app:
        await app.start()
        for name in NAMES:
            added = await app.service(Auth).add(name, "correct horse", Role.PLAYER)
            if name < "c":
                await Ear(app, player(added.user.id)).open()
        yield app


@pytest.fixture
async def boss(app: App) -> Ear:
    return await Ear(app, BOSS).open()


async def add(app: App, name: str) -> None:
    await app.service(Auth).add(name, "correct horse", Role.PLAYER)


async def delete(app: App, name: str) -> None:
    work = Work("2026-11-23T01:39:02.123Z")
    work.change(DELETE, name=name)
    await app.database.writer.submit(work, b"", None)


async def test_nobody_comes_twice_and_nobody_is_missed_whatever_changes(
    app: App, boss: Ear
) -> None:
    async def page(cursor: str | None) -> tuple[list[str], str | None]:
        found = await boss.ok("users.list", limit=2, cursor=cursor)
        return [user["username"] for user in found["items"]], found["next"]

    assert (first := await page(None))[0] == ["ada", "Ben"]
    await add(app, "abe")  # before the place: another one before it moves nobody
    await delete(app, "Ben")  # the row that the cursor names
    await add(app, "caz")  # after it
    assert (second := await page(first[1]))[0] == ["caz", "cyd"]
    assert await page(first[1]) == second
    await delete(app, "eva")
    await add(app, "bob")
    assert (third := await page(second[1]))[0] == ["dan", "fay"]
    assert await page(third[1]) == (["gus"], None)


async def test_a_cursor_is_of_one_list(app: App, boss: Ear) -> None:
    cursors = {name: (await boss.ok(name, limit=1))["next"] for name in LISTS}
    for mine, other in permutations(LISTS, 2):
        answer = await boss.ask(other, limit=1, cursor=cursors[mine])
        assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "cursor")
    for name, cursor in cursors.items():
        assert (await boss.ok(name, limit=1, cursor=cursor))["items"], name


@pytest.mark.parametrize("name", LISTS)
async def test_a_cursor_is_of_some_filters(app: App, boss: Ear, name: str) -> None:
    cursor = (await boss.ok(name, limit=1))["next"]
    answer = await boss.ask(name, limit=1, cursor=cursor, **LISTS[name])
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "cursor")


async def test_cursors_of_earlier_versions_are_taken(app: App, boss: Ear) -> None:
    people = await boss.ok("users.list", limit=3, cursor="ben")
    assert [user["username"] for user in people["items"]] == ["cyd", "dan", "eva"]
    newest = sorted(app.service(Battles).pool.waiting, reverse=True)
    battles = await boss.ok("battles.list", cursor=newest[0])
    assert [battle["battle_id"] for battle in battles["items"]] == newest[1:]
    ids = sorted((u["user_id"] for u in (await boss.ok("users.list"))["items"]), reverse=True)
    for online in (False, True):
        players = await boss.ok("players.list", online=online, cursor=f"1.0.{ids[-2]}")
        assert [p["player_id"] for p in players["items"]] == [ids[-1]]
    connections = await boss.ok("connections.list", cursor="2")
    assert len(connections["items"]) == 1


def paged() -> dict[str, type[msgspec.Struct] | None]:
    """The queries that answer with a page, by name, and what is on it."""
    found = {spec.name: item_of(spec.reply) for spec in specs(Kind.QUERY)}
    return {name: item for name, item in found.items() if item is not None}


def test_every_query_that_takes_a_cursor_answers_with_a_page(engine: str) -> None:
    taking = {s.name for s in specs(Kind.QUERY) if "cursor" in s.type.__struct_fields__}
    assert taking == {*paged()}
    assert {*LISTS, "battles.history"} == taking


@pytest.mark.parametrize("cursor", ["~", "~AAAAAAAAAAAA", "~x.y"])
async def test_every_list_names_a_cursor_that_it_did_not_give(
    app: App, boss: Ear, cursor: str
) -> None:
    for name in paged():
        answer = await boss.ask(name, cursor=cursor)
        assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "cursor"), name


TABLE = Listing(
    "test.users",
    select(users.c.id, users.c.username, users.c.username_key),
    sorts={"name": ascending(users.c.username_key), "newest": descending(users.c.id)},
    filters={
        "disabled": users.c.disabled == bindparam("disabled"),
        "admins": users.c.role == "admin",
        "search": users.c.username_key.like(bindparam("search"), escape=ESCAPE),
    },
)


class Named(msgspec.Struct):
    """A row."""

    name: str


def named(row: Row) -> Named:
    return Named(row[1])


async def all_of(app: App, **given: Any) -> list[str]:
    """All pages of two rows."""
    found, cursor = [], None
    while True:
        page = await TABLE.page(app.database.reader, named, limit=2, cursor=cursor, **given)
        found += [row.name for row in page.items]
        cursor = page.next
        if cursor is None:
            return found


async def test_a_table_has_several_sorts_and_filters(app: App) -> None:
    assert await all_of(app) == [*NAMES]
    assert await all_of(app, sort="name", search=None) == [*NAMES]
    ids = {name: user.id for name in NAMES if (user := await app.service(Users).by_name(name))}
    assert await all_of(app, sort="newest") == sorted(NAMES, key=ids.__getitem__, reverse=True)
    assert await all_of(app, search=containing("A")) == ["ada", "dan", "eva", "fay"]
    assert await all_of(app, search=containing("_")) == []
    assert await all_of(app, disabled=True) == []
    assert await all_of(app, disabled=False, search=containing("s")) == ["gus"]
    assert await all_of(app, admins=True) == []
    page = await TABLE.page(app.database.reader, named, limit=2, cursor=None)
    with pytest.raises(Failure):
        await TABLE.page(app.database.reader, named, limit=2, cursor=page.next, sort="newest")
