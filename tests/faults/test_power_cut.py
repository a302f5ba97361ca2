"""Power cuts at every moment: what the server has promised by then is there, and it starts.

A file system keeps what was synced alone, and shows what that is at each moment.
"""

import shutil
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from protocol.auth import Login
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles
from server.config import Settings
from server.users import Users
from tests.support.battles import easy_battle
from tests.support.forgetful import Forgetful, forgetful
from tests.support.people import PASSWORD, Person, registered
from tests.support.server import Server

ADDRESS: Final = "203.0.113.7"
PARTS: Final = ["about.json", "database", "secret_key", "SHA256SUMS"]
LOOKS: Final = 16
"""At so many of the moments the server is started; at all others files alone are looked at."""


@pytest.fixture
async def disk(tmp_path: Path) -> AsyncIterator[Forgetful]:
    async with forgetful(tmp_path) as disk:
        yield disk


def on(disk: Forgetful, tmp_path: Path) -> Server:
    """A server whose data are on the disk, in folders that it makes itself, and its log is not."""
    return Server(tmp_path / "log", DATA_DIR=str(data(disk.folder)), DATABASE_URL="")


def data(disk: Path) -> Path:
    """The folder of the data on a disk."""
    return disk / "var" / "warroom"


@asynccontextmanager
async def started(left: Path, folder: Path) -> AsyncIterator[App]:
    """A server that starts on what a power cut has left."""
    shutil.copytree(left, folder)
    try:
        async with opened(Settings(data_dir=data(folder), password_hash_cost=4)) as app:
            yield app
    finally:
        shutil.rmtree(folder)


def some(moments: list[Path]) -> list[tuple[int, Path]]:
    """Moments with their numbers: the first and the last, and others between them."""
    step = max(1, len(moments) // LOOKS)
    chosen = {*range(0, len(moments), step), len(moments) - 1}
    return [(number + 1, moments[number]) for number in sorted(chosen)]


async def test_whenever_the_power_is_cut_a_new_server_starts_and_keeps_what_it_said(
    disk: Forgetful, tmp_path: Path
) -> None:
    server = await on(disk, tmp_path).start()
    running = disk.latest
    logged_in = await registered(server.url)
    known = disk.latest
    person = await Person(server.url, logged_in).connect()
    battle_id = await easy_battle(person)
    await person.ok("battles.join", battle_id=battle_id)
    said: list[int] = []  # the moment of each line's acknowledgement
    for _ in range(10):
        line = {"battle_id": battle_id, "text": "hi", "request_id": uuid7()}
        await person.ok("battles.chat", line)
        said.append(disk.latest)
    await server.kill()
    moments = disk.moments
    assert running < known < said[0] < said[-1] <= len(moments)
    secret = (data(moments[-1]) / "secret_key").read_bytes()
    assert len(secret) == 64
    for number, left in enumerate(moments, 1):
        for name in ("secret_key", "admin_password"):
            file = data(left) / name
            assert not file.exists() or file.stat().st_size > 16, f"{name} at {number}"
            assert number < running or file.exists(), f"{name} at {number}"
    for number, left in some(moments):
        async with started(left, tmp_path / "after") as app:
            if await app.service(Users).any_with(Role.ADMIN):
                password = (data(left) / "admin_password").read_text().strip()
                await app.service(Auth).log_in(Login("admin", password), ADDRESS)
            if number >= known:
                token = logged_in.tokens.access_token
                assert (await app.service(Auth).identify_token(token)).id == logged_in.user.id
                await app.service(Auth).log_in(Login(logged_in.user.username, PASSWORD), ADDRESS)
            kept = sum(moment <= number for moment in said)
            if kept:
                battle = (await app.service(Battles).get(battle_id)).committed.battle
                assert len(battle.chat) >= kept, f"at {number}"


async def test_whenever_the_power_is_cut_a_backup_is_whole_and_so_is_what_it_is_put_into(
    disk: Forgetful, tmp_path: Path
) -> None:
    server = await on(disk, tmp_path).start()
    first = await registered(server.url)
    made = disk.folder / "backup.tar"
    await server.command("backup", str(made))
    kept = disk.latest
    second = await registered(server.url)
    await server.command("backup", str(made))  # in the place of the other
    assert await server.stop() == 0
    began = disk.latest
    await server.command("restore", str(made), "--force")
    restored = disk.latest
    assert kept < began < restored
    moments = disk.moments
    for number, left in enumerate(moments, 1):
        file = left / made.name
        assert number < kept or file.exists(), number
        if file.exists():
            with tarfile.open(file) as tar:
                assert [member.name for member in tar] == PARTS
    for number, left in some(moments[began - 1 :]):
        async with started(left, tmp_path / "after") as app:
            for logged_in in (first, second):
                token = logged_in.tokens.access_token
                known = await app.service(Auth).identify_token(token)
                assert known.id == logged_in.user.id, number
