"""Data of versions before this one: opened, gone on with, and asked again for what was answered."""

import asyncio
import gzip
import json
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import LoggedIn
from protocol.client import refresh
from tests.support.battles import strike
from tests.support.engines import database
from tests.support.faketime import WallClock
from tests.support.kept_data import ENGINES, FOLDER
from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.server import Server
from tests.support.verified import verified

LATER_S = 60
VERSIONS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
"""By the revision of their tables, and what was told apart by more."""

COUNTED = (
    "select count(*) from room_events where request_id is not null",
    "select count(*) from kept_replies",
    "select count(*) from users",
)


class Kept:
    """What a version has left, and a server of this one for it, in its time."""

    def __init__(self, folder: Path, version: str, engine: str, url: str) -> None:
        self.known: dict[str, Any] = json.loads((FOLDER / version / f"{engine}.json").read_text())
        self.url = url
        self._engine = engine
        self._backup = folder / "backup.tar"
        packed = (FOLDER / version / f"{engine}.tar.gz").read_bytes()
        self._backup.write_bytes(gzip.decompress(packed))
        clock = WallClock(folder)
        made_at = datetime.fromisoformat(self.known["at"]).timestamp()
        clock.set(round(made_at + LATER_S - time.time()))
        self.server = Server(folder / "data", DATABASE_URL=url, **clock.environment)

    async def restore(self) -> None:
        """As an operator does on another machine."""
        await self.server.command("restore", str(self._backup))

    async def put(self) -> None:
        """As it was left: nobody says that it is a copy."""
        folder = self.server.data_dir
        folder.mkdir()
        with tarfile.open(self._backup) as tar:
            tar.extractall(folder, filter="data")
        found = folder / "database"
        if self._engine == "sqlite":
            found.rename(folder / "warroom.db")
        else:
            arguments = "--no-owner", f"--dbname={self.url}", str(found)
            process = await asyncio.create_subprocess_exec(need("pg_restore"), *arguments)
            assert await process.wait() == 0


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each that has left data."""
    return str(request.param)


@pytest.fixture(params=[ENGINES[0], pytest.param(ENGINES[1], marks=pytest.mark.postgres)])
async def kept(
    request: pytest.FixtureRequest, tmp_path: Path, version: str, postgres: Postgres | None
) -> Kept:
    """What it has left on each engine."""
    url = await database(request.param, postgres, tmp_path / "data" / "warroom.db")
    return Kept(tmp_path, version, request.param, url)


async def come_back(kept: Kept, who: str) -> Person:
    """Somebody connects to the server again, with the refresh token that was given to them then."""
    again: LoggedIn = await refresh(kept.server.url, kept.known["refresh_tokens"][who])
    return await Person(kept.server.url, again).connect()


@asynccontextmanager
async def alice_at(kept: Kept) -> AsyncIterator[Person]:
    """A server on what is kept, and she is back."""
    async with kept.server:
        person = await come_back(kept, "alice")
        yield person
        await person.close()
    await verified(kept.url)


async def ask_again(kept: Kept, alice: Person) -> None:
    """Everybody sends all commands again, and gets the replies of then."""
    admin = await come_back(kept, "admin")
    for who, person in (("alice", alice), ("admin", admin)):
        for done in kept.known["done"][who]:
            assert await person.ok(done["name"], **done["fields"]) == done["reply"]
    await admin.close()


async def test_a_later_version_goes_on_where_this_one_was_killed(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        battle_id, room = kept.known["battle_id"], f"battle:{kept.known['battle_id']}"
        # Nothing was missed: the numbering is the same.
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert joined["verdict"] == "gap_filled"
        now = await alice.ok("battles.get", battle_id=battle_id)
        before = kept.known["battle"]
        assert [e["type"] for e in now["enemies"]] == [e["type"] for e in before["enemies"]]
        assert (await strike(alice, battle_id, 1))["ok"]
        assert (await alice.call("battles.chat", battle_id=battle_id, text="and on"))["ok"]


async def test_a_retry_across_the_upgrade_gets_the_first_reply(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        before = [await kept.server.rows(counted) for counted in COUNTED]
        await ask_again(kept, alice)
        assert [await kept.server.rows(counted) for counted in COUNTED] == before


async def test_its_backup_is_restored(kept: Kept) -> None:
    await kept.restore()
    async with alice_at(kept) as alice:
        room = f"battle:{kept.known['battle_id']}"
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert (joined["verdict"], joined["reason"]) == ("reset", "epoch_changed")
        await ask_again(kept, alice)
