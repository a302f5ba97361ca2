"""The ledger: each change of a balance has its row, from the opening to the deletion."""

import asyncio
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from protocol.permissions import Role
from server.app import opened
from server.auth import Accounts, Auth
from server.config import Settings
from server.database import migrate
from server.database.revisions import MIGRATIONS
from tests.support.clock import ManualClock
from tests.support.engines import database, execute, on_both_engines, rows
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres
from tests.support.verified import verified, violated

pytestmark = on_both_engines

OPENING = "0009"
"""The migration that adds the rows which older versions never wrote."""

LEDGER = "insert into ledger (id, player_id, at, currency, amount, balance_after, why, ref)"


def before_opening() -> str:
    """The revision before that migration."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    script = ScriptDirectory.from_config(config).get_revision(OPENING)
    assert isinstance(script.down_revision, str)
    return script.down_revision


@pytest.fixture
async def ids(tmp_path: Path, url: str) -> dict[str, str]:
    """The players of a database, as they began, with an admin; `gone` is deleted."""
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    names = ("ada", "ben", "cyd", "gone")
    async with opened(settings, clock := ManualClock()) as app:
        await app.service(Auth).add("boss", PASSWORD, Role.ADMIN)
        made = {n: (await app.service(Auth).add(n, PASSWORD, Role.PLAYER)).user.id for n in names}
        clock.advance(1)
        await app.service(Accounts).delete("gone")
    return made


@pytest.fixture
async def url(tmp_path: Path, engine: str, postgres: Postgres | None) -> str:
    return await database(engine, postgres, tmp_path / "warroom.db")


async def ledger(url: str, player_id: str) -> list[tuple[str, int, int, str, str | None]]:
    """The rows of a player in the order of their ids."""
    found = await rows(
        url, "select id, player_id, currency, amount, balance_after, why, ref from ledger"
    )
    return [
        (currency, amount, after, why, ref)
        for _, owner, currency, amount, after, why, ref in sorted(found)
        if owner == player_id
    ]


async def test_a_player_begins_with_a_row_and_ends_with_one(url: str, ids: dict[str, str]) -> None:
    assert await ledger(url, ids["ada"]) == [("gold", 1000, 1000, "opening", None)]
    assert await ledger(url, ids["gone"]) == [
        ("gold", 1000, 1000, "opening", None),
        ("gold", -1000, 0, "deleted", None),
    ]
    await verified(url)


OLDER = (
    "delete from ledger where why = 'opening'",
    LEDGER + " values ('018bcfe5-6801-7000-8000-000000000001',"
    " '{ada}', 1700000000001, 'gold', 50, 1050, 'reward', 'b1')",
    LEDGER + " values ('018bcfe5-6801-7000-8000-000000000002',"
    " '{ada}', 1700000000001, 'gold', 70, 1120, 'reward', 'b2')",
    "update players set gold = 1120, gems = 7 where player_id = '{ada}'",
    LEDGER + " values ('018bcfe5-6801-7000-8000-000000000003',"
    " '{gone}', 1700000000000, 'gems', -7, 0, 'deleted', null)",
    LEDGER + " values ('018bcfe5-6801-7000-8000-000000000004',"
    " '{ben}', 1700000000001, 'gold', 50, 2050, 'reward', 'b1')",
    "update players set gold = 9 where player_id = '{ben}'",
    "delete from players where player_id = '{cyd}'",
    "delete from users where id = '{cyd}'",
)
"""What an older version has left: no openings; rewards, a gift of gems, deletions, one of them from
before there was a ledger; and a player whose gold was changed by hand, twice."""


async def as_it_was(url: str, ids: dict[str, str]) -> None:
    """Take the database back to an older version."""
    await asyncio.to_thread(migrate, url, before_opening())
    await execute(url, *(statement.format(**ids) for statement in OLDER))


async def test_missing_openings_are_added_and_taken_away_again(
    url: str, ids: dict[str, str]
) -> None:
    await as_it_was(url, ids)
    assert {"players.ledger_sums", "players.ledger_runs"} <= await violated(url)
    before = sorted(await rows(url, "select * from ledger"))
    await asyncio.to_thread(migrate, url)
    assert await violated(url) <= {"auth.tokens_of_users"}  # of cyd, whom nothing tells of
    # The two openings are of one moment; each comes before all other rows.
    assert sorted((await ledger(url, ids["ada"]))[:2]) == [
        ("gems", 7, 7, "opening", "migration"),
        ("gold", 1000, 1000, "opening", "migration"),
    ]
    assert (await ledger(url, ids["ada"]))[2:] == [
        ("gold", 50, 1050, "reward", "b1"),
        ("gold", 70, 1120, "reward", "b2"),
    ]
    assert sorted(await ledger(url, ids["gone"])) == [
        ("gems", -7, 0, "deleted", None),
        ("gems", 7, 7, "opening", "migration"),
        ("gold", -1000, 0, "deleted", None),
        ("gold", 1000, 1000, "opening", "migration"),
    ]
    assert await ledger(url, ids["ben"]) == [
        ("gold", 2000, 2000, "opening", "migration"),
        ("gold", 50, 2050, "reward", "b1"),
        ("gold", -2041, 9, "correction", "migration"),
    ]
    assert await ledger(url, ids["cyd"]) == []
    created = dict(await rows(url, "select id, created_at from users"))
    openings = await rows(url, "select player_id, at from ledger where why = 'opening'")
    assert all(at == created.get(player_id, at) for player_id, at in openings)

    await asyncio.to_thread(migrate, url, before_opening())
    assert sorted(await rows(url, "select * from ledger")) == before
    await asyncio.to_thread(migrate, url)
    await asyncio.to_thread(migrate, url, before_opening())
    assert sorted(await rows(url, "select * from ledger")) == before


async def test_rows_of_the_server_itself_outlive_going_down(url: str, ids: dict[str, str]) -> None:
    before = sorted(await rows(url, "select * from ledger"))
    for revision in (before_opening(), "head"):
        await asyncio.to_thread(migrate, url, revision)
        assert sorted(await rows(url, "select * from ledger")) == before
    await verified(url)
