"""The migrations add up to the tables."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, inspect

from server.database.revisions import MIGRATIONS, migrate, revision
from server.database.tables import metadata


@pytest.fixture
def url(tmp_path: Path) -> str:
    """An empty database."""
    return f"sqlite:///{tmp_path / 'test.db'}"


@contextmanager
def connection(url: str) -> Iterator[Connection]:
    """A connection that is closed for good."""
    engine = create_engine(url)
    try:
        with engine.connect() as opened:
            yield opened
    finally:
        engine.dispose()


def schema(url: str) -> dict[str, list[str]]:
    """The words SQLite itself keeps of every table and index, whatever their order."""
    with connection(url) as opened:
        rows = opened.exec_driver_sql("select name, sql from sqlite_master where sql is not null")
        return {row[0]: sorted(re.findall(r"\w+", row[1])) for row in rows}


def test_the_migrations_add_up_to_the_tables(url: str) -> None:
    migrate(url)
    with connection(url) as opened:
        assert compare_metadata(MigrationContext.configure(opened), metadata) == []


def test_the_migrations_make_what_the_tables_would_make(url: str, tmp_path: Path) -> None:
    """compare_metadata sees neither primary keys nor partial indexes nor `without rowid`."""
    migrate(url)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    with connection(other) as opened:
        metadata.create_all(opened)
        opened.commit()
    migrated = schema(url)
    migrated.pop("alembic_version")
    assert migrated == schema(other)


def test_migrating_again_changes_nothing(url: str) -> None:
    migrate(url)
    before = schema(url)
    migrate(url)
    assert schema(url) == before


def test_going_all_the_way_down_leaves_nothing(url: str) -> None:
    migrate(url)
    with connection(url) as opened:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = opened
        command.downgrade(config, "base")
        opened.commit()
        assert set(inspect(opened).get_table_names()) <= {"alembic_version"}
    migrate(url)  # and up again


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
