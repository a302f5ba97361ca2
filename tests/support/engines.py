"""The databases that the server runs on."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from tests.support.postgres import Postgres
from tests.support.programs import need

ENGINES: Final = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]

on_both_engines: Final = pytest.mark.parametrize("engine", ENGINES, indirect=True)
"""For tests whose server or database is then run on each."""


async def database(engine: str, postgres: Postgres | None, path: Path) -> str:
    """The address of a new database: a file at the path, or one of a PostgreSQL server."""
    if engine == "sqlite":
        return f"sqlite:///{path}"
    if postgres is None:
        need("postgres")
    assert postgres is not None
    return await postgres.database()


async def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    """What a query gives, asked of a database by a connection of its own."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(query).fetchall()
    opened = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await opened.fetch(query)]
    finally:
        await opened.close()
