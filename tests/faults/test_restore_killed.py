"""A restore that is killed, anywhere: the data is what it was, or what the backup holds."""

import asyncio
import os
import random
import shutil
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest

from server.cli.backup import _backup, _restore
from server.config import Settings
from server.database import migrate
from server.runtime.interrupt import Interrupt
from tests.support.engines import copied, database, execute, on_both_engines, rows
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.server import ROOT

pytestmark = on_both_engines

ALL: Final = os.environ.get("EVERY_LINE") == "1"
"""Else some of the lines, others at each run: a restore takes a while."""
AT_ONCE: Final = 12
NEVER: Final = 10**6


def mark(kind: str) -> tuple[str, str]:
    """What tells data apart: a row, and an epoch."""
    fact = "insert into facts (name, value) values"
    return f"{fact} ('kind', '{kind}')", f"{fact} ('epoch', 'epoch of {kind}')"


async def kind_of(url: str) -> str:
    """Which data it is; raises AssertionError for a mixture."""
    facts = dict(await rows(url, "select name, value from facts"))
    kind, epoch = facts["kind"], facts["epoch"]
    assert await rows(url, "select version_num from alembic_version")
    assert await rows(url, "select count(*) from users") == [(0,)]
    if url.startswith("sqlite"):
        assert await rows(url, "pragma integrity_check") == [("ok",)]
    # Clients may have seen more than the backup holds: its numbering goes on under another name.
    assert (epoch == "epoch of former") == (kind == "former")
    assert epoch != "epoch of backup"
    return kind


class Former:
    """Data as a server that was killed leaves it, and a backup of other data."""

    def __init__(self, folder: Path, url: str, file: Path) -> None:
        self._folder = folder
        self._url = url
        self.file = file
        self.data_dir = folder / "data"
        self._template = folder / "template"
        self._template.mkdir()

    async def make(self) -> None:
        """Once."""
        (self._template / "secret_key").write_bytes(b"former" * 10)
        if not self._url.startswith("sqlite"):
            await asyncio.to_thread(migrate, self._url)
            await execute(self._url, *mark("former"))
            return
        path = self._folder / "former.db"
        await asyncio.to_thread(migrate, f"sqlite:///{path}")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma journal_mode = wal")
            for statement in mark("former"):
                connection.execute(statement)
            connection.commit()
            for end in ("", "-wal"):
                shutil.copy(f"{path}{end}", self._template / f"warroom.db{end}")

    async def put(self) -> str:
        """Its address, as it was at first."""
        if not self._url.startswith("sqlite"):
            shutil.copytree(self._template, self.data_dir, dirs_exist_ok=True)
            return await copied(self._url, self._folder)
        shutil.rmtree(self.data_dir, ignore_errors=True)
        shutil.copytree(self._template, self.data_dir)
        return f"sqlite:///{self.data_dir / 'warroom.db'}"


@pytest.fixture
async def former(tmp_path: Path, engine: str, postgres: Postgres | None) -> Former:
    """A backup of one database, and another one to put it into."""
    if engine == "postgres":
        for program in ("pg_dump", "pg_restore", "psql"):
            need(program)
    backed_up = await database(engine, postgres, tmp_path / "backed_up" / "warroom.db")
    folder, file = tmp_path / "backed_up", tmp_path / "backup.tar"
    folder.mkdir()
    (folder / "secret_key").write_bytes(b"backup" * 10)
    await asyncio.to_thread(migrate, backed_up)
    await execute(backed_up, *mark("backup"))
    settings = Settings(data_dir=folder, database_url=backed_up)
    await asyncio.to_thread(_backup, settings, file, Interrupt())
    made = Former(tmp_path, await database(engine, postgres, tmp_path / "unused"), file)
    await made.make()
    return made


@asynccontextmanager
async def restorer(former: Former) -> AsyncIterator[asyncio.subprocess.Process]:
    """The program that restores, and is killed at lines."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.killed_restore"),
        *(str(former.file), str(former.data_dir)),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield process
    process.terminate()
    await process.communicate()


async def killed(process: asyncio.subprocess.Process, number: int, url: str) -> str:
    """The line at which a restore was killed, or how many it has."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{number} {url}\n".encode())
    line = await process.stdout.readline()
    assert line, "the program ended"
    return line.decode().strip()


async def ended(url: str) -> None:
    """Wait until what the restore began in PostgreSQL is at its end: it holds this lock."""
    if not url.startswith("sqlite"):
        await rows(url, "select pg_advisory_lock(7217001)")


@pytest.mark.timeout(3600 if ALL else 120)
async def test_the_data_is_the_former_or_the_backups(former: Former) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    found: dict[str, str] = {}
    async with restorer(former) as process:
        lines = int(await killed(process, NEVER, await former.put()))
        # The first third reads the backup.
        few = random.Random(seed).sample(range(lines // 3, lines), AT_ONCE - 1)
        for number in range(1, lines + 1) if ALL else sorted([*few, lines]):
            url = await former.put()
            line = await killed(process, number, url)
            found[f"{number} {line}"] = await left(former, url)
    print(found)
    kinds = list(found.values())
    assert kinds == sorted(kinds, reverse=True), found  # once restored, it stays so
    assert kinds[-1] == "backup"


async def left(former: Former, url: str) -> str:
    """Which data a restore that was killed has left; another one comes to its end."""
    await ended(url)
    kind = await kind_of(url)
    secret = (former.data_dir / "secret_key").read_bytes()
    assert secret in (b"former" * 10, b"backup" * 10)
    assert kind == "backup" or secret == b"former" * 10
    settings = Settings(data_dir=former.data_dir, database_url=url)
    await asyncio.to_thread(_restore, settings, former.file, Interrupt(), True)
    assert await kind_of(url) == "backup"
    assert (former.data_dir / "secret_key").read_bytes() == b"backup" * 10
    assert not [path for path in former.data_dir.iterdir() if path.name.startswith(".")]
    return kind
