"""The databases that the server runs on."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import asyncpg
import pytest

from protocol.ids import uuid7
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


async def execute(url: str, *statements: str) -> None:
    """Change a database by a connection of its own, behind the server's back. Foreign keys of a
    SQLite database do not hold it up."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return
    opened = await asyncpg.connect(url)
    try:
        for statement in statements:
            await opened.execute(statement)
    finally:
        await opened.close()


async def copied(url: str, path: Path) -> str:
    """The address of a copy of a database that nobody has open: a file at the path, or another
    database of the same PostgreSQL server."""
    if url.startswith("sqlite:///"):
        there, here = sqlite3.connect(url.removeprefix("sqlite:///")), sqlite3.connect(path)
        with closing(there), closing(here):
            there.backup(here)
        return f"sqlite:///{path}"
    server, _, name = url.rpartition("/")
    copy = f"{name}_{uuid7()[-12:]}"
    await execute(f"{server}/postgres", f"create database {copy} template {name}")
    return f"{server}/{copy}"
