"""Migrations and first starts that are killed at any point, or meet each other or a full disk: the
next start goes on, and nothing is half."""

import asyncio
import json
import random
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import Login
from protocol.client import log_in
from server.database.revisions import known_revisions
from tests.support.battles import easy_battle
from tests.support.disk import fill
from tests.support.engines import database, on_both_engines, rows
from tests.support.people import Person, connected
from tests.support.postgres import Postgres
from tests.support.server import ROOT, Server

WITHIN_S = 120
EVERY = 25
"""At how many statements one migration is killed: a few, other ones each time."""
TABLES = ("users", "players", "battles", "battle_seats", "ledger", "refresh_tokens", "room_events")


async def killed_at_some(url: str, to: str) -> dict[str, Any]:
    """Migrate, and be killed at many statements before it is done."""
    first = random.randrange(EVERY)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.killed_migrations", url, to),
        *(str(first), str(EVERY)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        output, _ = await process.communicate()
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


async def counts(url: str) -> dict[str, int]:
    """How many rows each table has."""
    return {
        table: (await rows(url, f"select count(*) from {table}"))[0][0]  # noqa: S608 - ours
        for table in TABLES
    }


def sound(url: str) -> None:
    """No page of a SQLite file is damaged, and no row points to one that is not there."""
    if not url.startswith("sqlite:///"):
        return  # PostgreSQL holds both at every statement
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert connection.execute("pragma foreign_key_check").fetchall() == []


@on_both_engines
async def test_a_first_migration_killed_at_any_statement(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    found = await killed_at_some(url, "head")
    assert found["changed"] == []
    assert found["revision"] == known_revisions()[0]
    assert found["killed"] > 0
    sound(url)


@on_both_engines
async def test_data_go_down_and_up_killed_at_any_statement(own_server: Server) -> None:
    person = await connected(own_server.url)
    battle_id = await easy_battle(person)
    await person.ok("battles.join", battle_id=battle_id)
    await person.close()
    await own_server.stop()
    url = own_server.database
    before = await counts(url)
    assert min(before.values()) > 0
    for to in ("0001", "head"):
        found = await killed_at_some(url, to)
        assert found["changed"] == []
        assert found["killed"] > 0
        sound(url)
        assert await counts(url) == before
    await own_server.start()
    again = await Person(own_server.url, person.logged_in).connect()
    assert (await again.ok("battles.get", battle_id=battle_id))["battle_id"] == battle_id
    await again.close()


# ---- first starts


async def killed_at(server: Server, step: int) -> bool:
    """Start a server that is killed at a step of its start. Returns whether it came that far."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.dying_server", str(step), "run", "--port", "0"),
        cwd=ROOT,
        env=server._environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while line := await process.stdout.readline():
            if b" is at http" in line:
                process.kill()
                await process.communicate()
                return False
        assert await process.wait() == -signal.SIGKILL
    return True


async def begun_well(server: Server) -> None:
    """A server that was killed at its first start starts, with all that it is to have."""
    await server.start()
    password = (server.data_dir / "admin_password").read_text().strip()
    logged_in = await log_in(server.url, Login("admin", password))
    assert await server.rows("select username from users where role = 'admin'") == [("admin",)]
    assert len(await server.rows("select value from facts where name = 'epoch'")) == 1
    assert await server.stop() == 0
    await server.start()
    await (await Person(server.url, logged_in).connect()).close()  # by a token of before
    assert await server.stop() == 0
    assert (await server.run("verify"))[0] == 0


@on_both_engines
async def test_a_first_start_killed_at_any_step(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    server = Server(tmp_path / "data", DATABASE_URL=url)
    step, killed = random.randrange(60), 0
    while await killed_at(server, step):
        step += random.randrange(30, 120)
        killed += 1
    assert killed > 0
    await begun_well(server)


COMMANDS = {
    "servers": ["run --port 0"] * 5,
    "commands": ["user add ada --generate", "service-key add cron", "migrate", "user list"],
    "a server and commands": ["run --port 0", "user add ada --generate", "migrate", "config"],
}


@pytest.mark.parametrize("lines", COMMANDS.values(), ids=COMMANDS)
async def test_first_starts_at_the_same_time(tmp_path: Path, lines: list[str]) -> None:
    """Each is done, or says in one line that a server runs, or that there is nothing yet."""
    server = Server(tmp_path / "data")
    (tmp_path / "data").mkdir()
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server", *line.split()),
            cwd=ROOT,
            env=server._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for line in lines
    ]
    outcomes = await asyncio.gather(*map(outcome, processes))
    for line, (code, errors) in zip(lines, outcomes, strict=True):
        said = [error for error in errors.splitlines() if not error.startswith("{")]
        assert (code, len(said)) in {(0, 0), (1, 1)}, (line, errors)
        assert all(REFUSED.match(error) for error in said), (line, said)
    servers = [code for line, (code, _) in zip(lines, outcomes, strict=True) if "run" in line]
    assert servers.count(0) == bool(servers)
    await server.start()  # it makes what is missing, such as the first admin
    await server.stop()
    assert (await server.run("verify"))[0] == 0


REFUSED = re.compile("warroom: (a server runs on|there is no database at) ")


async def outcome(process: asyncio.subprocess.Process) -> tuple[int | None, str]:
    """The exit code and the errors of a command; a server is ended once it listens."""
    assert process.stdout is not None
    async with asyncio.timeout(WITHIN_S):
        while line := await process.stdout.readline():
            if b" is at http" in line:
                process.terminate()
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_a_first_start_on_a_disk_that_is_too_small(tmp_path: Path, disk: Path) -> None:
    server = Server(disk / "data")
    filler = fill(disk)
    with filler.open("r+b") as file:
        file.truncate(filler.stat().st_size - 100_000)
    code, output, errors = await server.run("run", "--port", "0")
    assert (code, output) == (1, "")
    said = [error for error in errors.splitlines() if not error.startswith("{")]
    assert len(said) == 1, errors
    assert "full" in said[0]
    filler.unlink()
    await begun_well(server)
