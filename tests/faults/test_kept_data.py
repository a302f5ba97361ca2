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

import aiohttp
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


@asynccontextmanager
async def alice_at(kept: Kept) -> AsyncIterator[Person]:
    """She comes back to the server with the refresh token that she was given then."""
    async with kept.server as server:
        again: LoggedIn = await refresh(server.url, kept.known["refresh_token"])
        person = await Person(server.url, again).connect()
        yield person
        await person.close()
    await verified(kept.url)


async def test_a_later_version_goes_on_where_this_one_was_killed(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        battle_id, room = kept.known["battle_id"], f"battle:{kept.known['battle_id']}"
        # Nothing was missed: the numbering is the same.
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert joined["verdict"] == "gap_filled"
        now = await alice.ok("battles.get", battle_id=battle_id)
        before = kept.known["battle"]
        assert [enemy["kind"] for enemy in now["enemies"]] == [e["kind"] for e in before["enemies"]]
        assert (await strike(alice, battle_id, 1))["ok"]
        assert (await alice.call("battles.chat", battle_id=battle_id, text="and on"))["ok"]


async def test_a_retry_across_the_upgrade_gets_the_first_reply(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        counted = "select count(*) from room_events where request_id is not null"
        before = await kept.server.rows(counted)
        for done in kept.known["done"]:
            assert await alice.ok(done["name"], **done["fields"]) == done["reply"]
        assert await kept.server.rows(counted) == before


async def test_its_backup_is_restored(kept: Kept) -> None:
    await kept.restore()
    async with alice_at(kept) as alice:
        room = f"battle:{kept.known['battle_id']}"
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert (joined["verdict"], joined["reason"]) == ("reset", "epoch_changed")
        for done in kept.known["done"]:
            assert await alice.ok(done["name"], **done["fields"]) == done["reply"]


async def test_a_used_refresh_token_ends_its_log_in_still(kept: Kept) -> None:
    await kept.put()
    async with kept.server as server, aiohttp.ClientSession(server.url) as http:
        token = kept.known["refresh_token"]
        first = await refresh(server.url, token)
        await refresh(server.url, first.tokens.refresh_token)
        # Its successor was used: who sends the first one now has stolen it.
        body = {"refresh_token": token}
        async with http.post("/api/auth/refresh", json=body) as answer:
            assert answer.status == 401
