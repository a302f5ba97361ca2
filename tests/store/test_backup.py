"""Copies of a database that are put in its place, whatever lies there."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from server.database import copy, migrate, put
from server.database.dumps import without_password
from server.runtime.interrupt import Interrupt
from tests.support.engines import rows


def fact(place: Path, value: str) -> sqlite3.Connection:
    """Write something into a database, and leave it open: it stands in the log beside it."""
    connection = sqlite3.connect(place)
    connection.execute("pragma journal_mode = wal")
    for n in range(50):
        connection.execute("insert into facts (name, value) values (?, ?)", (f"{value}-{n}", "x"))
    connection.commit()
    return connection


@pytest.mark.parametrize("damaged", [False, True])
async def test_what_lies_beside_a_database_that_is_gone_is_not_taken_for_the_copys(
    tmp_path: Path, damaged: bool
) -> None:
    place, interrupt = tmp_path / "warroom.db", Interrupt()
    url = f"sqlite:///{place}"
    await asyncio.to_thread(migrate, url)
    with closing(fact(place, "kept")):
        copied = await asyncio.to_thread(copy, url, tmp_path, interrupt)
        with closing(fact(place, "lost")):
            shutil.copy(f"{place}-wal", tmp_path / "wal")
    place.unlink()
    shutil.move(tmp_path / "wal", f"{place}-wal")
    if damaged:
        place.write_bytes(b"no database" * 1000)
    await asyncio.to_thread(put, url, copied.pieces, copied.revision, interrupt, force=damaged)
    assert await rows(url, "pragma integrity_check") == [("ok",)]
    there = {row[0].split("-")[0] for row in await rows(url, "select name from facts")}
    assert "kept" in there
    assert "lost" not in there


def test_an_address_keeps_its_spaces_for_programs_that_know_no_plus() -> None:
    """asyncpg reads + as a space, libpq does not."""
    given = (
        "postgresql://me:p%40ss@h/db?options=-c%20search_path%3Dx&password=other&sslmode=require"
    )
    plain = "postgresql://me@h/db?options=-c%20search_path%3Dx&sslmode=require"
    assert without_password(given) == (plain, "p@ss")
