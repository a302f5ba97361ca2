"""What is in a server's database, read beside it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

Rows = list[tuple[Any, ...]]


def connect(data_dir: Path) -> sqlite3.Connection:
    """A connection that only reads."""
    return sqlite3.connect(f"file:{data_dir / 'warroom.db'}?mode=ro", uri=True)


def contents(data_dir: Path) -> dict[str, Rows]:
    """All rows of all tables, as they are at one moment."""
    with closing(connect(data_dir)) as connection:
        connection.execute("begin")
        tables = [name for (name,) in connection.execute(_TABLES)]
        return {
            table: sorted(connection.execute(f"select * from {table}"), key=repr)  # noqa: S608
            for table in tables
        }


def columns(data_dir: Path, table: str) -> list[str]:
    """The names of a table's columns, in the order of its rows."""
    with closing(connect(data_dir)) as connection:
        return [row[1] for row in connection.execute(f'pragma table_info("{table}")')]


def schema(data_dir: Path) -> Rows:
    """Every table, index, view and trigger, with the SQL that made it."""
    with closing(connect(data_dir)) as connection:
        return list(connection.execute("select type, name, sql from sqlite_master order by name"))


def faults(data_dir: Path) -> Rows:
    """What SQLite itself finds wrong with the file; nothing where it is sound."""
    with closing(connect(data_dir)) as connection:
        found = list(connection.execute("pragma integrity_check"))
        return [row for row in found if row != ("ok",)] + list(
            connection.execute("pragma foreign_key_check")
        )


_TABLES = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
