"""The migrations add up to the tables, on both engines."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from server.database import migrate, revisions
from server.database.revisions import MIGRATIONS, revision, with_connection
from server.database.tables import metadata
from tests.store.bench import Bench, listed, put
from tests.support.engines import database, on_both_engines, rows
from tests.support.postgres import Postgres

INDEXES = (
    "select tablename || '.' || indexname, indexdef from pg_indexes where schemaname = 'public'"
    " union all select table_name || '.' || column_name, data_type || is_nullable ||"
    " coalesce(column_default, '') from information_schema.columns where table_schema = 'public'"
    " union all select conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)"
    " from pg_constraint where connamespace = 'public'::regnamespace"
)


@pytest.fixture
async def url(tmp_path: Path, engine: str, postgres: Postgres | None) -> str:
    """An empty database."""
    return await database(engine, postgres, tmp_path / "test.db")


@pytest.fixture
async def other(tmp_path: Path, engine: str, postgres: Postgres | None) -> str:
    """Another."""
    return await database(engine, postgres, tmp_path / "other.db")


def schema(url: str) -> dict[str, list[str]]:
    """The words that the database itself keeps of every table and index, whatever their order."""

    def read(connection: Connection) -> list[Any]:
        query = "select name, sql from sqlite_master where sql is not null"
        if connection.dialect.name == "postgresql":
            query = INDEXES
        return list(connection.exec_driver_sql(query))

    found = {row[0]: sorted(re.findall(r"\w+", row[1])) for row in with_connection(url, read)}
    return {name: words for name, words in found.items() if "alembic" not in name}


@on_both_engines
def test_the_migrations_add_up_to_the_tables(url: str) -> None:
    migrate(url)
    differences = with_connection(
        url, lambda c: compare_metadata(MigrationContext.configure(c), metadata)
    )
    assert differences == []


@on_both_engines
def test_the_migrations_make_what_the_tables_would_make(url: str, other: str) -> None:
    """compare_metadata sees neither primary keys nor partial indexes nor `without rowid`."""

    def create(connection: Connection) -> None:
        metadata.create_all(connection)
        connection.commit()

    migrate(url)
    with_connection(other, create)
    assert schema(url) == schema(other)


@on_both_engines
def test_migrating_again_changes_nothing(url: str) -> None:
    migrate(url)
    before = schema(url)
    migrate(url)
    assert schema(url) == before


@on_both_engines
def test_going_all_the_way_down_leaves_nothing(url: str) -> None:
    def go_down(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        connection.commit()
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}

    migrate(url)
    with_connection(url, go_down)
    migrate(url)  # and up again


@on_both_engines
async def test_what_is_there_outlives_going_down_and_up(bench: Bench) -> None:
    await bench.submit(put("a"))
    for _ in range(3):
        work = put(f"n{len(bench.published)}")
        work.publish(listed())
        await bench.submit(work)
    await bench.db.close()
    before = await rows(bench.url, "select room, seq, first_kept from room_numbers")
    history = await rows(
        bench.url,
        "select room, seq, at, name, data, who, request_id, digest, reply"
        " from room_events order by room, seq",
    )
    await asyncio.to_thread(migrate, bench.url, "0001")
    assert await asyncio.to_thread(revision, bench.url) == "0001"
    # The actors are gone, as that version does not know them.
    assert await rows(bench.url, "select * from room_events order by room, seq") == history
    await bench.open()
    assert await rows(bench.url, "select distinct actor from room_events") == [(None,)]
    assert await rows(bench.url, "select room, seq, first_kept from room_numbers") == before
    work = put("after")
    work.publish(listed())
    await bench.submit(work)
    assert bench.published[-1][1] == 4


@on_both_engines
@pytest.mark.parametrize("to", ["nowhere", "base", ""])
def test_a_revision_that_is_none_changes_nothing(url: str, to: str) -> None:
    migrate(url)
    before = schema(url)
    with pytest.raises(ValueError):
        migrate(url, to)
    assert schema(url) == before


@on_both_engines
def test_tables_of_a_newer_version_are_left_alone(url: str) -> None:
    def pretend(connection: Connection) -> None:
        connection.exec_driver_sql("update alembic_version set version_num = '9999'")
        connection.commit()

    migrate(url)
    with_connection(url, pretend)
    with pytest.raises(ValueError, match="9999"):
        migrate(url)


@on_both_engines
def test_the_revisions_say_which_is_current(url: str) -> None:
    assert not any(step.current for step in revisions(url))
    migrate(url, "0002")
    assert [step.revision for step in revisions(url) if step.current] == ["0002"]
    assert [step.revision for step in revisions(url)][-2:] == ["0002", "0001"]
    assert all(step.doc for step in revisions(url))


@on_both_engines
def test_the_revision_of_a_database_is_known(url: str) -> None:
    assert revision(url) is None
    migrate(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert revision(url) == ScriptDirectory.from_config(config).get_current_head()


def test_there_is_one_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1
