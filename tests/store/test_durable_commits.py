"""A commit waits for the disk, whatever the database's own settings say."""

from pathlib import Path
from typing import Any

import pytest

from tests.store.bench import Bench, outcome, put
from tests.support.engines import database, execute, on_both_engines
from tests.support.postgres import Postgres

FULL = 2
"""SQLite: `pragma synchronous` with which each COMMIT of a WAL is synced."""


def writing(bench: Bench) -> Any:
    """The connection over which the writer commits."""
    engine: Any = bench.db.writer._engine
    return engine._connection


async def synchronous(bench: Bench) -> str:
    """What a COMMIT waits for, asked of the connection that commits."""
    connection = writing(bench)
    if bench.url.startswith("sqlite"):
        (level,) = connection.execute("pragma synchronous").fetchone()
        (mode,) = connection.execute("pragma journal_mode").fetchone()
        return f"{mode} {level}"
    return str(await connection.fetchval("show synchronous_commit"))


@on_both_engines
async def test_the_writer_waits_for_the_disk(bench: Bench) -> None:
    for n in range(2):
        assert await synchronous(bench) in (f"wal {FULL}", "on")
        assert await outcome(bench.submit(put(f"n{n}"))) is None


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    ("chosen", "used"), [("off", "on"), ("local", "local"), ("remote_apply", "remote_apply")]
)
async def test_a_database_that_waits_for_no_disk_is_overruled(
    tmp_path: Path, engine: str, postgres: Postgres | None, chosen: str, used: str
) -> None:
    """Other choices of an operator stay: all of them wait for this server's disk."""
    url = await database(engine, postgres, tmp_path / "test.db")
    name = url.rpartition("/")[2]
    await execute(url, f"alter database {name} set synchronous_commit = {chosen}")
    bench = await Bench(url).open()
    try:
        assert await synchronous(bench) == used
        assert await outcome(bench.submit(put("a"))) is None
        assert await synchronous(bench) == used
    finally:
        await bench.db.close()
