"""The files of a SQLite database under a running server: removed, replaced, reached by a link."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.support.battles import easy_battle, strike
from tests.support.people import connected
from tests.support.server import Server

ENDS_WITHIN_S = 15


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Server]:
    """A server on a file, which a test takes away."""
    async with Server(tmp_path / "logs", DATABASE_URL=f"sqlite:///{place(tmp_path)}") as server:
        yield server


def place(tmp_path: Path) -> Path:
    """Where its database is: in a folder of its own, so that the log stays when that is removed."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    return folder / "warroom.db"


def remove(database: Path) -> None:
    """As somebody tidies up."""
    database.unlink()


def remove_beside(database: Path) -> None:
    """As somebody who takes the write-ahead log for a temporary file."""
    database.with_name("warroom.db-wal").unlink()


def cut_short_beside(database: Path) -> None:
    """As somebody who makes room on the disk."""
    os.truncate(database.with_name("warroom.db-wal"), 0)


def remove_lock(database: Path) -> None:
    """As somebody who thinks that it was left behind: a second server could start."""
    database.with_name("warroom.db.lock").unlink()


def remove_folder(database: Path) -> None:
    """All of it, the lock too."""
    shutil.rmtree(database.parent)


def rename_folder(database: Path) -> None:
    """It is still there, under a name at which no start looks."""
    database.parent.rename(database.parent.with_name("elsewhere"))


def replace(database: Path) -> None:
    """As somebody who puts a copy in place by hand."""
    copy = database.with_name("copy")
    shutil.copyfile(database, copy)
    copy.replace(database)


def replace_beside(database: Path) -> None:
    """As a tool that copies all three files back."""
    shm = database.with_name("warroom.db-shm")
    copy = database.with_name("copy")
    shutil.copyfile(shm, copy)
    copy.replace(shm)


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [path.name for path in folder.iterdir()]


async def ended(server: Server) -> int:
    """The exit code of a server that ends by itself."""
    assert server.process is not None
    async with asyncio.timeout(ENDS_WITHIN_S):
        return await server.process.wait()


WAYS = [
    remove,
    remove_beside,
    cut_short_beside,
    remove_lock,
    remove_folder,
    rename_folder,
    replace,
    replace_beside,
]


@pytest.mark.parametrize("take_away", WAYS)
async def test_nothing_is_acknowledged_that_no_start_would_find(
    served: Server, tmp_path: Path, take_away: Callable[[Path], None]
) -> None:
    person = await connected(served.url)
    battle_id = await easy_battle(person)
    await person.ok("battles.join", battle_id=battle_id)
    await person.ok("battles.chat", battle_id=battle_id, text="before")
    take_away(place(tmp_path))
    answer = await person.call("battles.chat", battle_id=battle_id, text="after")
    assert answer["error"]["code"] == "unavailable"
    assert await ended(served) == 1
    assert "while the server ran on it" in served.log.read_text().splitlines()[-1]
    await person.close()


@pytest.mark.parametrize("take_away", WAYS)
async def test_a_server_that_writes_nothing_sees_it_too(
    served: Server, tmp_path: Path, take_away: Callable[[Path], None]
) -> None:
    take_away(place(tmp_path))
    assert await ended(served) == 1


async def test_a_link_leads_to_one_lock(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "warroom.db"
    real.parent.mkdir()
    link = tmp_path / "link" / "warroom.db"
    link.parent.mkdir()
    link.symlink_to(real)
    async with Server(tmp_path / "one", DATABASE_URL=f"sqlite:///{link}") as first:
        second = Server(tmp_path / "two", DATABASE_URL=f"sqlite:///{real}")
        code, _, errors = await second.run("run", "--port", "0")
        assert code == 1
        assert errors.startswith(f"warroom: a server runs on {real}: process ")
        person = await connected(first.url)
        battle_id = await easy_battle(person)
        await person.ok("battles.join", battle_id=battle_id)
        assert (await strike(person, battle_id, 1))["ok"]
        # A redirected link is another database.
        other = tmp_path / "disk" / "other.db"
        shutil.copyfile(real, other)
        new = link.with_name("new")
        new.symlink_to(other)
        new.replace(link)
        assert await ended(first) == 1
        await person.close()


async def test_a_restore_replaces_what_a_link_leads_to(tmp_path: Path) -> None:
    real = tmp_path / "disk" / "warroom.db"
    real.parent.mkdir()
    link = tmp_path / "data" / "warroom.db"
    link.parent.mkdir()
    link.symlink_to(real)
    server = Server(tmp_path / "data", DATABASE_URL=f"sqlite:///{link}")
    async with server:
        await server.command("backup", str(tmp_path / "backup.tar"))
        code, _, errors = await server.run("restore", "--force", str(tmp_path / "backup.tar"))
        assert code == 1
        assert f"a server runs on {real}" in errors
    before = real.stat().st_ino
    await server.command("restore", "--force", str(tmp_path / "backup.tar"))
    assert link.readlink() == real
    assert real.stat().st_ino != before
    found = sorted(path.name for path in real.parent.iterdir())
    assert found == ["warroom.db", "warroom.db.lock"]


async def test_the_first_program_on_a_new_folder_may_be_any(tmp_path: Path) -> None:
    """Programs that make the tables at the same time wait for each other."""
    server = Server(tmp_path / "data")
    server.data_dir.mkdir()
    commands = [server.run("migrate") for _ in range(3)]
    for code, _, errors in await asyncio.gather(*commands):
        assert (code, errors) == (0, "")


async def test_a_hard_link_is_no_second_database(tmp_path: Path) -> None:
    async with Server(tmp_path / "one") as first:
        other = tmp_path / "two"
        other.mkdir()
        (other / "warroom.db").hardlink_to(tmp_path / "one" / "warroom.db")
        code, _, errors = await Server(other).run("run", "--port", "0")
        assert code == 1
        assert "has a second name" in errors
        await connected(first.url)


@pytest.mark.parametrize("name", ["que?x=1", "per%20cent", "ha#sh", "spa ce", "new\nline", "ü"])
async def test_a_data_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    server = Server(tmp_path / name)
    async with server:
        await (await connected(server.url)).close()
        assert (tmp_path / name / "warroom.db").is_file()
        assert "admin" in await server.command("user", "list")
    assert names(tmp_path) == [name]


async def test_parameters_of_sqlite_are_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/warroom.db?timeout=20"
    code, _, errors = await Server(tmp_path, DATABASE_URL=url).run("migrate")
    assert code == 2
    assert "takes no parameters" in errors
    assert names(tmp_path) == []
