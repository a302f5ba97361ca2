"""Restores of PostgreSQL that can't be carried out: nothing is changed, and the cause is told."""

import asyncio
import os
import stat
from pathlib import Path
from typing import Final

import asyncpg
import pytest

from server.cli.backup import _backup, _restore
from server.cli.words import CliError
from server.config import Settings
from server.database import InTheWay, dumps, migrate
from server.runtime import files
from server.runtime.interrupt import Interrupt
from tests.support.engines import execute, rows
from tests.support.postgres import Postgres
from tests.support.programs import need

pytestmark = pytest.mark.postgres

USERS: Final = 3000
"""Of the backup. Their rows are more than a pipe holds."""
MANY_USERS: Final = (
    "insert into users (id, username, username_key, password_hash, role, disabled, created_at)"
    " select n, n, n, md5(n::text) || repeat('x', 100), 'admin', false, 0"
    " from generate_series(1, 3000) n"
)
FEW_USERS: Final = "delete from users where id::int > 3"


class Place:
    """A database with three users, and a backup of one with many."""

    def __init__(self, folder: Path, url: str, file: Path) -> None:
        self.url = url
        self.file = file
        self.programs = folder / "bin"
        self.data_dir = folder / "data"
        self._real = {name: need(name) for name in ("pg_dump", "pg_restore", "psql")}

    async def restore(self, url: str = "", *, force: bool = True) -> str:
        """Put the backup into it. Raises what the command line tells."""
        settings = Settings(data_dir=self.data_dir, database_url=url or self.url)
        return await asyncio.to_thread(_restore, settings, self.file, Interrupt(), force)

    async def users(self) -> int:
        """How many there are."""
        return int((await rows(self.url, "select count(*) from users"))[0][0])

    def replace(self, name: str, script: str) -> None:
        """Another program in the place of one. `$real` is that."""
        path = self.programs / name
        path.write_text(f"#!/bin/bash\nreal={self._real[name]}\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
async def place(
    tmp_path: Path, postgres: Postgres | None, monkeypatch: pytest.MonkeyPatch
) -> Place:
    """A database and a backup."""
    need("postgres")
    assert postgres is not None
    file, source = tmp_path / "backup.tar", await postgres.database()
    await asyncio.to_thread(migrate, source)
    await execute(source, MANY_USERS)
    await asyncio.to_thread(
        _backup, Settings(data_dir=tmp_path, database_url=source), file, Interrupt()
    )
    made = Place(tmp_path, await postgres.database(), file)
    await asyncio.to_thread(migrate, made.url)
    await execute(made.url, MANY_USERS, FEW_USERS, "insert into facts values ('epoch', 'former')")
    made.programs.mkdir()
    monkeypatch.setenv("PATH", f"{made.programs}{os.pathsep}{os.environ['PATH']}")
    return made


async def unchanged(place: Place) -> None:
    """All is as it was, once what was begun is undone."""
    await rows(place.url, "select pg_advisory_lock(7217001)")
    assert await place.users() == 3
    assert await rows(place.url, "select value from facts") == [("former",)]


async def test_it_is_restored(place: Place) -> None:
    with pytest.raises(InTheWay):
        await place.restore(force=False)
    await unchanged(place)
    await place.restore()
    assert await place.users() == USERS


@pytest.mark.parametrize(
    ("name", "script", "cause"),
    [
        ("pg_restore", "head -c 20000 | $real \"$@\"; kill -9 $$", "end of file"),
        ("pg_restore", "$real \"$@\"; kill -9 $$", "pg_restore was ended by signal 9"),
        ("pg_restore", "$real \"$@\"; echo 'pg_restore: error: bad' >&2; exit 1", "bad"),
        ("pg_restore", "kill -9 $$", "pg_restore was ended by signal 9"),
        ("psql", "head -c 100 | $real \"$@\"; kill -9 $$", "unterminated"),
        ("psql", "head -c 90000 | $real \"$@\"; kill -9 $$", "missing data|signal 9|ended"),
        ("psql", "kill -9 $$", "psql was ended by signal 9"),
        ("psql", "sed 's/^COPY public.players/COPY nothing/' | $real \"$@\"", "nothing"),
    ],
)  # fmt: skip
async def test_a_program_that_is_ended_alone(
    place: Place, name: str, script: str, cause: str
) -> None:
    place.replace(name, script)
    with pytest.raises(OSError, match=cause):
        await place.restore()
    await unchanged(place)


async def test_a_dump_that_is_cut_off(place: Place) -> None:
    """The former backup stays."""
    before = place.file.read_bytes()
    settings = Settings(data_dir=place.data_dir, database_url=place.url)
    for script, cause in (
        ('$real "$@" | head -c 3000; exit 1', "ended with 1"),
        ('$real "$@" | head -c 3000; kill -9 $$', "signal 9"),
        ("echo 'pg_dump: error: aborting because of server version mismatch' >&2;"
         " echo 'pg_dump: detail: server version: 99' >&2; exit 1", "mismatch; detail: server"),
    ):  # fmt: skip
        place.replace("pg_dump", script)
        with pytest.raises(OSError, match=cause):
            await asyncio.to_thread(_backup, settings, place.file, Interrupt())
        assert place.file.read_bytes() == before
        assert not list(place.file.parent.glob(f"{files.SCRATCH}*"))


async def test_what_is_not_warrooms_stays(place: Place) -> None:
    await execute(place.url, "create table other (n int)", "insert into other values (1)")
    await place.restore()
    assert await place.users() == USERS
    assert await rows(place.url, "select n from other") == [(1,)]
    # Nor is it copied.
    settings = Settings(data_dir=place.data_dir, database_url=place.url)
    await asyncio.to_thread(_backup, settings, place.file, Interrupt())
    await place.restore()
    assert await rows(place.url, "select n from other") == [(1,)]


async def test_a_view_of_others_on_the_tables_is_named(place: Place) -> None:
    await execute(place.url, "create view names as select username from users")
    with pytest.raises(OSError, match=r"cannot drop .*DETAIL: view names depends"):
        await place.restore()
    await unchanged(place)


async def test_a_user_who_does_not_own_the_tables(place: Place) -> None:
    await execute(
        place.url,
        "drop role if exists limited",
        "create role limited login password 'tell-nobody'",
        "grant select on all tables in schema public to limited",
    )
    url = place.url.replace("warroom@", "limited:tell-nobody@")
    with pytest.raises(OSError, match="must be owner of") as caught:
        await place.restore(url)
    assert "tell-nobody" not in str(caught.value)
    await unchanged(place)
    await execute(place.url, "drop owned by limited", "drop role limited")


async def test_tables_of_a_newer_version_are_not_left_behind(place: Place) -> None:
    await execute(place.url, "update alembic_version set version_num = '9999'")
    with pytest.raises(ValueError, match="9999, which this version does not know"):
        await place.restore()
    await unchanged(place)


async def test_a_database_in_use_is_left_alone(place: Place) -> None:
    url = f"{place.url}?application_name=warroom%20reader"
    held = asyncio.create_task(rows(url, "select pg_sleep(60)"))
    with pytest.raises(OSError, match="in use: stop the server first"):
        await place.restore()
    held.cancel()
    await asyncio.wait([held])
    await unchanged(place)


async def test_tables_that_another_program_has_locked(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dumps, "_LOCK_WAIT", "200ms")
    locker = await asyncpg.connect(place.url)
    settings = Settings(data_dir=place.data_dir, database_url=place.url)
    async with locker.transaction():
        await locker.execute("lock table users in access exclusive mode")
        with pytest.raises(OSError, match="another program has locked the tables"):
            await place.restore()
        with pytest.raises(OSError, match="another program has locked the tables"):
            await asyncio.to_thread(_backup, settings, place.file, Interrupt())
    await locker.close()
    await unchanged(place)


async def test_tables_in_another_schema(place: Place) -> None:
    await execute(place.url, "create schema apart")
    url = f"{place.url}?options=-c%20search_path%3Dapart"
    with pytest.raises(OSError, match=r"in another schema|already exists"):
        await place.restore(url)
    await unchanged(place)


async def test_a_damaged_backup_is_not_begun(place: Place) -> None:
    place.replace("psql", "touch $0.called")
    damaged = bytearray(place.file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    place.file.write_bytes(damaged)
    with pytest.raises(CliError, match="is damaged"):
        await place.restore()
    assert not (place.programs / "psql.called").exists()
    await unchanged(place)


async def test_a_server_that_starts_meanwhile_waits(place: Place) -> None:
    """It finds the tables of the backup."""
    gate = place.programs / "gate"
    os.mkfifo(gate)
    place.replace("pg_restore", f'$real "$@"; read < {gate}; true')
    restoring = asyncio.create_task(place.restore())
    with await asyncio.to_thread(gate.open, "w"):  # until it is read from: all is sent
        starting = asyncio.create_task(asyncio.to_thread(migrate, place.url))
        assert await rows(place.url, "select 1") == [(1,)]
        done, _ = await asyncio.wait([starting], timeout=1)
        assert not done
    await restoring
    await starting
    assert await place.users() == USERS
