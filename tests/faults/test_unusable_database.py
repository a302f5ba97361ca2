"""PostgreSQL databases that Warroom can't use: each command says so in one line, and what to do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.engines import execute, rows
from tests.support.postgres import Postgres
from tests.support.server import Server

pytestmark = pytest.mark.postgres

COMMANDS = {
    "run": (("run", "--port", "0"), 1),
    "migrate": (("migrate",), 1),
    "verify": (("verify",), 2),
    "backup": (("backup", "to.tar"), 1),
    "restore": (("restore", "good.tar"), 1),
    "user": (("user", "list"), 1),
}
TABLES = "select 1 from pg_tables where schemaname = 'public'"


@pytest.fixture
async def good(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Path]:
    """A backup that can be restored."""
    url = await postgres.database()
    async with Server(tmp_path / "good", DATABASE_URL=url) as server:
        await server.command("backup", str(tmp_path / "good.tar"))
    yield tmp_path / "good.tar"


async def said(url: str, folder: Path, *arguments: str) -> tuple[int | None, str]:
    """What a command says that must end by itself."""
    async with asyncio.timeout(60):
        code, _, errors = await Server(folder / "data", DATABASE_URL=url).run(*arguments)
    return code, errors


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_does_not_hold_all_text(
    postgres: Postgres, tmp_path: Path, good: Path, encoding: str
) -> None:
    name = f"in_{encoding.lower()}"
    await execute(
        postgres.url("postgres"),
        f"create database {name} encoding '{encoding}' locale 'C' template template0",
    )
    for command, (arguments, expected) in COMMANDS.items():
        given = [str(good) if given == good.name else given for given in arguments]
        code, errors = await said(postgres.url(name), tmp_path, *given)
        assert code == expected, (command, errors)
        assert errors.count("\n") == 1, errors
        assert f"the encoding of the database is {encoding}, and must be UTF8" in errors
        assert "create database NAME" in errors
    assert await rows(postgres.url(name), TABLES) == []
    assert not (tmp_path / "to.tar").exists()


@pytest.mark.parametrize("new", [True, False])
async def test_a_start_on_a_read_only_database(
    postgres: Postgres, tmp_path: Path, new: bool
) -> None:
    url = await postgres.database()
    if not new:
        async with Server(tmp_path / "data", DATABASE_URL=url):
            pass
    await execute(
        postgres.url("postgres"),
        f"alter database {url.rpartition('/')[2]} set default_transaction_read_only = on",
    )
    code, errors = await said(url, tmp_path, "run", "--port", "0")
    assert (code, errors.count("\n")) == (1, 1), errors
    assert "the database is read-only: DATABASE_URL leads to a standby" in errors
