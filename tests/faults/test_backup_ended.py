"""Backups and restores that are ended: by a signal, by kill -9, or by a full disk."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Final

import pytest

from server.cli.backup import _backup, _restore
from server.config import Settings
from server.database import migrate
from server.runtime import files
from server.runtime.interrupt import Interrupt, Interrupted, interruptible
from tests.support.disk import fill, small_disk
from tests.support.engines import database, on_both_engines, rows
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.server import ROOT, Server

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WITHIN_S: Final = 30
LARGE_BYTES: Final = 4 * 1024 * 1024


def hidden(folder: Path) -> list[str]:
    """What a program has left."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


# ---- by a signal


@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_ends_what_waits(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    waits, woken = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def call(interrupt: Interrupt) -> None:
        ended = asyncio.run_coroutine_threadsafe(woken.wait(), loop)
        with interrupt.waking(lambda: loop.call_soon_threadsafe(woken.set)):
            loop.call_soon_threadsafe(waits.set)
            ended.result(WITHIN_S)
        interrupt.check()

    running = asyncio.create_task(interruptible(call))
    await waits.wait()
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match=number.name):
        await running
    assert signal.getsignal(number) is before


async def test_a_signal_that_was_ignored_at_the_start_stays_so() -> None:
    """nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:

        def call(interrupt: Interrupt) -> bool:
            os.kill(os.getpid(), signal.SIGHUP)
            return interrupt.asked

        assert not await interruptible(call)
    finally:
        signal.signal(signal.SIGHUP, before)


class After(Interrupt):
    """Asks to end at one of the looks at it."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if self.looks == 0:
            self.ask(signal.SIGTERM)
        super().check()

    @property
    def asked(self) -> bool:
        self.looks -= 1
        return self.looks <= 0 or super().asked


def large(path: Path) -> Settings:
    """Data that is not copied in one step."""
    settings = Settings(data_dir=path, database_url=f"sqlite:///{path / 'warroom.db'}")
    path.mkdir()
    migrate(settings.database)
    with closing(sqlite3.connect(path / "warroom.db")) as connection:
        for n in range(8):
            connection.execute("insert into facts values (?, hex(zeroblob(?)))", (n, LARGE_BYTES))
        connection.commit()
    return settings


def test_a_backup_of_sqlite_ends_wherever_it_is_asked_to(tmp_path: Path) -> None:
    settings = large(tmp_path / "data")
    file = tmp_path / "warroom.tar"
    counted = After(10**9)
    _backup(settings, file, counted)
    before, looks = file.read_bytes(), 10**9 - counted.looks
    assert looks > 20
    for number in range(1, looks, 7):
        with pytest.raises(Interrupted):
            _backup(settings, file, After(number))
        assert file.read_bytes() == before
        assert hidden(tmp_path) == []


def test_a_restore_of_sqlite_ends_wherever_it_is_asked_to(tmp_path: Path) -> None:
    settings = large(tmp_path / "data")
    file, place = tmp_path / "warroom.tar", tmp_path / "data" / "warroom.db"
    _backup(settings, file, Interrupt())
    place.unlink()
    migrate(settings.database)
    before, ended = place.read_bytes(), 0
    for number in range(1, 10**6, 17):
        try:
            _restore(settings, file, After(number), True)
        except Interrupted:
            ended += 1
            assert place.read_bytes() == before
        else:
            break
        finally:
            assert hidden(tmp_path / "data") == []
    assert ended > 5
    assert place.stat().st_size > LARGE_BYTES


@pytest.fixture
async def blocked(
    tmp_path: Path, postgres: Postgres | None, monkeypatch: pytest.MonkeyPatch
) -> Server:
    """A database of PostgreSQL, whose programs wait for ever in the midst of their work, and a
    backup of it."""
    real = {name: need(name) for name in ("postgres", "pg_dump", "psql")}
    programs, gate = tmp_path / "bin", tmp_path / "gate"
    programs.mkdir()
    os.mkfifo(gate)
    server = Server(
        tmp_path / "data",
        DATABASE_URL=await database("postgres", postgres, tmp_path),
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
    )
    server.data_dir.mkdir()
    await server.command("migrate")
    await server.command("backup", str(tmp_path / "warroom.tar"))
    for name, script in {
        "pg_dump": f'"{real["pg_dump"]}" "$@" | head -c 100; exec cat < {gate}',
        "psql": f'exec "{real["psql"]}" "$@" < <(sed "/^commit/,\\$d"; cat {gate})',
    }.items():
        (programs / name).write_text(f"#!/bin/bash\n{script}\n")
        (programs / name).chmod(0o700)
    return server


@asynccontextmanager
async def begun(server: Server, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command, once it waits for its program."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments),
        cwd=ROOT,
        env=server._environment,
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    with await asyncio.to_thread((server.data_dir.parent / "gate").open, "w") as gate:
        yield process
        # The program has ended too: nobody reads any more.
        with pytest.raises(BrokenPipeError):
            while True:
                gate.write("x" * 65536)
                gate.flush()


@pytest.mark.postgres
@pytest.mark.parametrize("number", SIGNALS)
async def test_a_signal_ends_a_backup_and_its_program(
    blocked: Server, tmp_path: Path, number: signal.Signals
) -> None:
    file = tmp_path / "warroom.tar"
    before = file.read_bytes()
    async with begun(blocked, "backup", str(file)) as process, asyncio.timeout(WITHIN_S):
        assert hidden(tmp_path) != []
        process.send_signal(number)
        _, errors = await process.communicate()
        assert process.returncode == 128 + number
    assert errors.decode() == f"warroom: ended by {number.name}: no backup was made\n"
    assert file.read_bytes() == before
    assert hidden(tmp_path) == []


@pytest.mark.postgres
async def test_a_backup_that_was_killed_leaves_nothing_for_long(
    blocked: Server, tmp_path: Path
) -> None:
    file = tmp_path / "warroom.tar"
    async with begun(blocked, "backup", str(file)) as process, asyncio.timeout(WITHIN_S):
        process.kill()
        await process.communicate()
    assert hidden(tmp_path) != []
    (tmp_path / "bin" / "pg_dump").unlink()
    await blocked.command("backup", str(file))
    assert hidden(tmp_path) == []


@on_both_engines
async def test_the_server_removes_what_a_killed_restore_left(own_server: Server) -> None:
    await own_server.stop()
    left = own_server.data_dir / f"{files.SCRATCH}left"
    left.mkdir()
    (left / "database").write_bytes(b"x" * 1000)
    await own_server.start()
    assert hidden(own_server.data_dir) == []


# ---- by a full disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    with small_disk(tmp_path / "disk") as folder:
        yield folder


@on_both_engines
async def test_a_backup_on_a_full_disk_leaves_the_former_one(
    tmp_path: Path, disk: Path, engine: str, postgres: Postgres | None
) -> None:
    if engine == "postgres":
        need("pg_dump")
    url = await database(engine, postgres, tmp_path / "data" / "warroom.db")
    server, file = Server(tmp_path / "data", DATABASE_URL=url), disk / "warroom.tar"
    await server.command("migrate")
    await server.command("backup", str(file))
    before = file.read_bytes()
    for share in (0, 0.5, 1.5 if engine == "sqlite" else 0.8):  # of SQLite there are two copies
        filler = fill(disk, int(share * len(before)))
        code, output, errors = await server.run("backup", str(file))
        assert (code, output, errors.count("\n")) == (1, "", 1), errors
        assert "full" in errors or "No space left" in errors
        assert file.read_bytes() == before
        assert hidden(disk) == []
        filler.unlink()
    await server.command("backup", str(file))


async def test_a_restore_on_a_full_disk_leaves_the_data(tmp_path: Path, disk: Path) -> None:
    server = Server(disk / "data")
    file = tmp_path / "warroom.tar"
    await server.command("migrate")
    await server.command("backup", str(file))
    before = await rows(server.database, "select * from alembic_version")
    filler = fill(disk, 100_000)
    code, output, errors = await server.run("restore", str(file), "--force")
    assert (code, output, errors.count("\n")) == (1, "", 1), errors
    assert "No space left" in errors
    assert await rows(server.database, "select * from alembic_version") == before
    assert hidden(disk / "data") == []
    filler.unlink()
    await server.command("restore", str(file), "--force")
