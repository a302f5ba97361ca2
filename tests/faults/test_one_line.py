"""Every fault of a database at the start of a command is one line, with no secret in it."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from server.database.failures import cause
from tests.support.engines import database, execute
from tests.support.postgres import Postgres
from tests.support.server import Server

PAGE = 4096


def truncated(path: Path) -> None:
    """The end of the file is missing."""
    os.truncate(path, 5 * PAGE)


def overwritten(path: Path) -> None:
    """Something else has written into all pages but the first."""
    with path.open("r+b") as file:
        for start in range(PAGE, path.stat().st_size, PAGE):
            file.seek(start)
            file.write(b"\xff" * 200)


def dropped(path: Path) -> None:
    """A table is missing."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("drop table users")


def of_others(path: Path) -> None:
    """It is a database of another program."""
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table battles (battle_id)")


def a_folder(path: Path) -> None:
    """A folder has its name."""
    path.unlink()
    path.mkdir()


FAULTS = {
    truncated: "can't be opened: database disk image is malformed",
    overwritten: "can't be used: database disk image is malformed",
    dropped: "no such table: users",
    of_others: "can't be used: table battles already exists",
    a_folder: "can't be opened: unable to open database file (it is a folder)",
}
COMMANDS = (("run", "--port", "0"), ("user", "list"), ("verify",))


async def one_line(server: Server, words: str) -> None:
    """Every command fails, with one line that holds these words."""
    run, *others = COMMANDS
    # The server first: it would be in the way of the others.
    outcomes = [await server.run(*run)]
    outcomes += await asyncio.gather(*(server.run(*command) for command in others))
    for command, (code, output, errors) in zip(COMMANDS, outcomes, strict=True):
        # For `verify`, 1 would say that the data are broken.
        assert (code, output) == (2 if command == ("verify",) else 1, ""), (command, errors)
        assert errors.count("\n") == 1, (command, errors)
        assert errors.startswith("warroom: ")
        if command != ("verify",):  # which looks at the revision first
            assert words in errors, command
        assert "[SQL" not in errors, "the statement is nothing to an operator"


@pytest.fixture(scope="module")
def current(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database whose tables are up to date."""
    path = tmp_path_factory.mktemp("current") / "warroom.db"
    asyncio.run(Server(path.parent, DATABASE_URL=f"sqlite:///{path}").command("migrate"))
    return path


@pytest.mark.parametrize(("fault", "words"), FAULTS.items(), ids=[f.__name__ for f in FAULTS])
async def test_a_damaged_file(
    tmp_path: Path, current: Path, fault: Callable[[Path], None], words: str
) -> None:
    path = Path(shutil.copy(current, tmp_path))
    fault(path)
    await one_line(Server(tmp_path / "data", DATABASE_URL=f"sqlite:///{path}"), words)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Another program has locked the file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("pragma locking_mode = exclusive")
        connection.execute("begin exclusive")
        yield


async def test_a_locked_file(tmp_path: Path, current: Path) -> None:
    path = Path(shutil.copy(current, tmp_path))
    with held(path):
        server = Server(tmp_path / "data", DATABASE_URL=f"sqlite:///{path}")
        await one_line(server, "can't be opened: database is locked")


POSTGRES = {
    "no right to make tables": (
        "revoke create on schema public from public",
        "permission denied for schema public",
    ),
    "no schema": ("drop schema public", "no schema has been selected to create in"),
    "tables of others": (
        "create table battles (battle_id text); grant all on schema public to public",
        'relation "battles" already exists',
    ),
    "too many connections": ("alter role eve connection limit 0", "too many connections"),
    "read-only": (
        "grant all on schema public to public;"
        " alter role eve set default_transaction_read_only = on",
        "read-only",
    ),
}


@pytest.mark.postgres
@pytest.mark.parametrize(("statements", "words"), POSTGRES.values(), ids=POSTGRES)
async def test_a_postgres_that_refuses(
    tmp_path: Path, postgres: Postgres | None, statements: str, words: str
) -> None:
    url = await database("postgres", postgres, tmp_path)
    await execute(
        url,
        "do $$ begin create role eve; exception when duplicate_object then null; end $$",
        "alter role eve with login connection limit -1",
        "alter role eve reset all",
        statements,
    )
    eve = url.replace("warroom@", "eve:tell-nobody@")
    server = Server(tmp_path / "data", DATABASE_URL=eve)
    try:
        await one_line(server, words)
    finally:
        await execute(url, "alter role eve connection limit -1", "alter role eve reset all")


def test_why_a_file_can_not_be_opened(tmp_path: Path) -> None:
    assert cause(tmp_path / "warroom.db") == ""
    assert cause(tmp_path) == " (it is a folder)"
    assert cause(tmp_path / "none" / "warroom.db") == f" (there is no folder {tmp_path / 'none'})"
