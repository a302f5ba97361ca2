"""A server of this version on what versions before it have left (see `kept_data.py`)."""

import asyncio
import gzip
import json
import tarfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from protocol.auth import LoggedIn
from protocol.client import refresh
from tests.support.faketime import WallClock
from tests.support.kept_data import FOLDER
from tests.support.people import Person
from tests.support.programs import need
from tests.support.server import Server

LATER_S: Final = 60
VERSIONS: Final = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
"""By the revision of their tables."""


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


async def come_back(kept: Kept, who: str) -> Person:
    """Somebody connects to the server again, with the refresh token that was given to them then."""
    again: LoggedIn = await refresh(kept.server.url, kept.known["refresh_tokens"][who])
    return await Person(kept.server.url, again).connect()


async def ask_again(kept: Kept, alice: Person) -> None:
    """Everybody sends all commands again, and gets the replies of then."""
    admin = await come_back(kept, "admin")
    for who, person in (("alice", alice), ("admin", admin)):
        for done in kept.known["done"][who]:
            assert await person.ok(done["name"], **done["fields"]) == done["reply"]
    await admin.close()
