"""Users for the load, with their credentials and their seats."""

import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from scripts.benches.load import server_core, tokens
from scripts.benches.sides import Server as Listening
from tests.support.many import Many, fill
from tests.support.server import Server

LONG_BATTLES: Final = "scripts.benches.long_battles"
SETTINGS: Final = {"ACCESS_TOKEN_EXPIRE_MINUTES": "1440"}
"""Tokens outlive the bench."""
BATTLES: Final = "select battle_id from battles order by battle_id desc limit {}"
DATA: Final = "data"
PEOPLE: Final = "people"


async def prepare(folder: Path, people: int, battles: int = 0) -> None:
    """Make data in a folder with so many who may log in, and have seats in battles in turn.

    Their seats are not taken yet: the load asks for them.
    """
    made = Server(folder / DATA, LONG_BATTLES, **SETTINGS)
    async with made:
        logins = await tokens(made.url, people)
    ids: list[str] = []
    if battles:
        await fill(made.database, Many(waiting=battles), time.time_ns() // 1_000_000)
        ids = [battle_id for (battle_id,) in await made.rows(BATTLES.format(battles))]
    (folder / PEOPLE).write_text("".join(_lines(logins, ids)))


def _lines(logins: Sequence[str], battles: Sequence[str]) -> list[str]:
    """What the load reads: those of a battle stand together."""
    seats = len(logins) // len(battles) if battles else 1
    return [
        f"{msgspec.json.encode({'token': token}).decode()}\t"
        f"{battles[number // seats] if battles else ''}\n"
        for number, token in enumerate(logins)
    ]


@asynccontextmanager
async def anew(folder: Path, copy: Path) -> AsyncIterator[tuple[Server, Listening]]:
    """Warroom itself, on a copy of what was prepared in a folder."""
    shutil.copytree(folder / DATA, copy)
    server = Server(copy, LONG_BATTLES, **SETTINGS)
    with server_core():
        await server.start()
    try:
        assert server.process is not None
        yield server, Listening("Warroom", server.port, server.process.pid)
    finally:
        await server.stop()
        shutil.rmtree(copy)
