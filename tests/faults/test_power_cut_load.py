"""Power cuts at chosen changes of the disk, under load: no acknowledged command is lost, and the
server starts. A backup or a restore that is cut leaves the old or the new, whole.

A change is a write, a sync, a new name and the like: what is seeded is their number, so that the
moment does not depend on how fast the machine is.
"""

import asyncio
import random
import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from protocol.auth import LoggedIn
from protocol.battles import Attack, AttackKind, GetBattle, Join, ListBattles, Status
from protocol.client import Client
from protocol.errors import Failure
from protocol.ids import uuid7
from protocol.players import GetPlayer
from server.auth import Auth
from server.cli import archive
from server.runtime import files
from server.users import Users
from tests.faults.test_power_cut import data, started
from tests.support.forgetful import Cuttable, Lost, cuttable
from tests.support.forked_commands import commands
from tests.support.people import registered
from tests.support.promises import battles_are_what_their_logs_say
from tests.support.server import Server
from tests.support.verified import verified

CUTS: Final = 5
SEED: Final = 2026
STRIKERS: Final = 4
FIRST_START: Final = (1, 380)
"""At which changes of the first start it is cut: it makes 395 until it listens."""
BACKUP_CUTS: Final = 5
RESTORE_CUTS: Final = 9

both = pytest.mark.parametrize("lost", ["names", "data"])


def on(disk: Cuttable, log: Path) -> Server:
    """A server whose data are on the disk, and its log is not."""
    return Server(log, DATA_DIR=str(data(disk.folder)), DATABASE_URL="")


class Striker:
    """Strikes by the Python client, and remembers what was acknowledged."""

    def __init__(self, logged_in: LoggedIn) -> None:
        self.logged_in = logged_in
        self.acked: dict[str, tuple[Attack | Join, Any]] = {}

    async def _token(self) -> str:
        return self.logged_in.tokens.access_token

    async def fight(self, url: str) -> None:
        """Until it is cancelled."""
        async with Client(url, self._token) as client:
            while True:
                await self._one_battle(client)

    async def _one_battle(self, client: Client) -> None:
        waiting = (await client.ask(ListBattles(status=Status.WAITING))).items
        for battle in waiting:
            if battle.required_level == 1:
                join = Join(battle_id=battle.battle_id, request_id=uuid7())
                self.acked[join.request_id or ""] = (join, await client.send(join))
                break
        else:
            return
        while (now := await client.ask(GetBattle(battle_id=join.battle_id))).enemies and (
            now.status is Status.IN_PROGRESS
        ):
            for enemy in now.enemies:
                if enemy.hp > 0:
                    await self._strike(client, join.battle_id, enemy.enemy_id)

    async def _strike(self, client: Client, battle_id: str, enemy_id: int) -> None:
        strike = Attack(
            battle_id=battle_id, enemy_id=enemy_id, kind=AttackKind.QUICK, request_id=uuid7()
        )
        with suppress(Failure):  # exhausted, down, or the enemy is
            self.acked[strike.request_id or ""] = (strike, await client.send(strike))

    async def check(self, url: str) -> int:
        """What was acknowledged is answered as it was. Returns how much of it was asked."""
        asked = 0
        async with Client(url, self._token) as client:
            await client.ask(GetPlayer())
            for command, reply in list(self.acked.values())[-5:]:
                assert await client.send(command) == reply
                asked += 1
        return asked


async def cut_under_load(
    disk: Cuttable, server: Server, strikers: list[Striker], after: int
) -> None:
    """Strike until the power is cut: at that change after the first acknowledged strikes."""
    striking = [asyncio.create_task(striker.fight(server.url)) for striker in strikers]
    before = sum(len(striker.acked) for striker in strikers)

    async def begun() -> None:
        while sum(len(striker.acked) for striker in strikers) < before + 2 * STRIKERS:
            await asyncio.wait(striking, timeout=0.05)
            for task in striking:
                if task.done():
                    task.result()  # it ends by a fault alone

    async with asyncio.timeout(60):
        await begun()
    disk.cut_after(after)
    await disk.until_cut()
    await server.kill()
    ending = set(striking)
    while ending:
        # Python 3.11 loses a cancel that meets the end of a `wait_for`.
        for task in ending:
            task.cancel()
        _, ending = await asyncio.wait(ending, timeout=1)


def lost_of(database: Path, strikers: list[Striker]) -> set[str]:
    """The acknowledged requests that are not in a database."""
    with closing(sqlite3.connect(database)) as opened:
        kept = {
            (who, request_id)
            for who, request_id in opened.execute(
                "select who, request_id from room_events where request_id is not null"
                " union select who, request_id from kept_replies"
            )
        }
    return {
        request_id
        for striker in strikers
        for request_id in striker.acked
        if (striker.logged_in.user.id, request_id) not in kept
    }


@pytest.mark.slow
@pytest.mark.timeout(400)
@both
async def test_five_cuts_under_load_lose_nothing_that_was_acknowledged(
    tmp_path: Path, lost: Lost
) -> None:
    moments = random.Random(f"{SEED} {lost}")
    strikers: list[Striker] = []
    left: Path | None = None
    for number in range(CUTS):
        async with cuttable(tmp_path / f"disk{number}", lost) as disk:
            if left is not None:
                disk.fill(left)
            server = on(disk, tmp_path / f"log{number}")
            if number == 0:
                disk.cut_after(moments.randint(*FIRST_START))
                with suppress(RuntimeError):  # it does not start on a disk that has failed
                    await server.start()
                assert disk.is_cut, "the first start makes fewer changes: correct FIRST_START"
                await server.kill()
            else:
                await server.start()
                strikers += [Striker(await registered(server.url)) for _ in range(STRIKERS)]
                await cut_under_load(disk, server, strikers[-STRIKERS:], moments.randint(1, 60))
        left = disk.left
        if strikers:
            copy = shutil.copytree(left, tmp_path / f"looked{number}")
            assert lost_of(data(copy) / "warroom.db", strikers) == set()
    assert left is not None
    acked = sum(len(striker.acked) for striker in strikers)
    assert acked >= (CUTS - 1) * STRIKERS
    final = Server(tmp_path / "final", DATA_DIR=str(data(left)), DATABASE_URL="")
    async with final:
        asked = await asyncio.gather(*(striker.check(final.url) for striker in strikers))
    assert sum(asked) > 0
    final.database = f"sqlite:///{data(left) / 'warroom.db'}"
    await battles_are_what_their_logs_say(final)
    await verified(final.database)


# ---- a backup and a restore


class Two:
    """The data of two servers, each with a user, and a backup of each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.users: dict[str, LoggedIn] = {}

    async def make(self) -> None:
        """Once."""
        for name in ("old", "new"):
            where = data(self.folder / name)
            async with Server(self.folder / f"{name}.log", **place(where)) as server:
                self.users[name] = await registered(server.url)
                await server.command("backup", str(self.folder / f"{name}.tar"))

    def put(self, disk: Cuttable, tar: str) -> Path:
        """The data and a backup of one on a disk. Returns the file of the backup."""
        disk.fill(self.folder / "old")
        target = disk.folder / "backup.tar"
        shutil.copy(self.folder / f"{tar}.tar", target)
        for path in (target, disk.folder):
            files.sync(path)
        return target

    async def found(self, left: Path, folder: Path) -> str:
        """Whose data a server finds that starts there; raises AssertionError for a mixture."""
        secret = (data(left) / "secret_key").read_bytes()
        async with started(left, folder) as app:
            known = [n for n, u in self.users.items() if await app.service(Users).by_id(u.user.id)]
            (name,) = known
            if secret == self.secret(name):
                user = self.users[name]
                identity = await app.service(Auth).identify_token(user.tokens.access_token)
                assert identity.id == user.user.id
            else:  # the database comes first: then tokens are refused, and clients log in anew
                assert (name, secret) == ("new", self.secret("old"))
        return name

    def secret(self, name: str) -> bytes:
        """What signs its tokens."""
        return (data(self.folder / name) / "secret_key").read_bytes()


def place(data_dir: Path) -> dict[str, str]:
    """The settings of a server whose data are there."""
    return {"DATA_DIR": str(data_dir), "DATABASE_URL": ""}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    made = Two(tmp_path_factory.mktemp("two"))
    asyncio.run(made.make())
    return made


def cut_now(disk: Cuttable) -> None:
    """Cut the power when a command has ended."""
    disk.cut_after(1)
    with pytest.raises(OSError, match="Input/output error"):
        (disk.folder / "one more").touch()


def moments_of(changes: int, number: int, lost: Lost) -> list[int]:
    """So many of the changes, with the last ones among them: there it is decided."""
    chosen = random.Random(f"{SEED} {lost}").sample(range(1, changes - 2), number - 3)
    return sorted([*chosen, *range(changes - 2, changes + 1)])


@both
async def test_a_backup_that_is_cut_leaves_the_old_one_or_the_new_one(
    tmp_path: Path, two: Two, lost: Lost
) -> None:
    old = (two.folder / "new.tar").read_bytes()
    found: dict[int, str] = {}
    async with commands() as program:
        async with cuttable(tmp_path / "whole", lost) as disk:
            file = two.put(disk, "new")
            before = disk.changes
            assert await program.run(data(disk.folder), "backup", str(file)) == 0
            changes = disk.changes - before
            cut_now(disk)
        archive.read(disk.left / file.name, lambda: None)
        assert (disk.left / file.name).read_bytes() != old, "it said that it was done"
        for moment in moments_of(changes, BACKUP_CUTS, lost):
            async with cuttable(tmp_path / f"cut{moment}", lost) as disk:
                file = two.put(disk, "new")
                disk.cut_after(moment)
                await program.run(data(disk.folder), "backup", str(file))
                assert disk.is_cut
            left = disk.left / file.name
            archive.read(left, lambda: None)  # raises where it is not whole
            found[moment] = "old" if left.read_bytes() == old else "new"
    assert "old" in found.values()
    assert list(found.values()) == sorted(found.values(), reverse=True), found


@both
async def test_a_restore_that_is_cut_leaves_the_old_data_or_the_new(
    tmp_path: Path, two: Two, lost: Lost
) -> None:
    found: dict[int, str] = {}
    async with commands() as program:
        async with cuttable(tmp_path / "whole", lost) as disk:
            file = two.put(disk, "new")
            before = disk.changes
            assert await program.run(data(disk.folder), "restore", str(file), "--force") == 0
            changes = disk.changes - before
            cut_now(disk)
        assert (data(disk.left) / "secret_key").read_bytes() == two.secret("new")
        assert await two.found(disk.left, tmp_path / "after") == "new", "it said that it was done"
        for moment in moments_of(changes, RESTORE_CUTS, lost):
            async with cuttable(tmp_path / f"cut{moment}", lost) as disk:
                file = two.put(disk, "new")
                disk.cut_after(moment)
                await program.run(data(disk.folder), "restore", str(file), "--force")
                assert disk.is_cut
            found[moment] = await two.found(disk.left, tmp_path / "after")
    kinds = list(found.values())
    assert kinds == sorted(kinds, reverse=True), found  # once restored, it stays so
    assert set(kinds) == {"old", "new"}, found
