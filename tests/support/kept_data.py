"""Data that a version has left: what later ones have to open, and to go on with.

`python -m tests.support.kept_data FOLDER` makes them, with the version that it stands in: for each
engine a backup of a server that is killed in the midst of a battle, and what its clients know of
it. Whatever a version writes in another form (a migration, a digest, a token, the form of a backup)
gets a folder of its own beside those that are there.
"""

import asyncio
import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from protocol.auth import Login
from protocol.client import log_in
from protocol.ids import uuid7
from tests.support.battles import easy_battle
from tests.support.engines import database
from tests.support.people import Person, registered
from tests.support.postgres import Postgres
from tests.support.server import Server

FOLDER: Final = Path(__file__).parents[1] / "kept_data"
ENGINES: Final = ("sqlite", "postgres")
PASSWORD: Final = "correct horse"
"""Of everybody in them, and of nobody else."""


async def act(person: Person, name: str, **fields: Any) -> dict[str, Any]:
    """Carry out a command. Returns it with its reply, as its client would remember it."""
    fields["request_id"] = uuid7()
    return {"name": name, "fields": fields, "reply": await person.ok(name, **fields)}


async def admin_of(server: Server) -> Person:
    """The first admin, with the password that lies in the data folder."""
    password = await asyncio.to_thread((server.data_dir / "admin_password").read_text)
    return await Person(
        server.url, await log_in(server.url, Login("admin", password.strip()))
    ).connect()


async def leave(folder: Path, engine: str, url: str) -> dict[str, Any]:
    """Run a server, play, end it in the midst, and make a backup. Returns what clients know."""
    server = await Server(folder / "data", DATABASE_URL=url).start()
    alice = await Person(server.url, await registered(server.url, "alice")).connect()
    bob = await Person(server.url, await registered(server.url, "bob")).connect()
    admin = await admin_of(server)
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    done = [await act(alice, "battles.join", battle_id=battle_id)]
    await bob.ok("battles.join", battle_id=battle_id)
    seen = await alice.ok("rooms.join", room=room)
    done += [
        await act(alice, "battles.attack", battle_id=battle_id, enemy_id=1),
        await act(alice, "battles.attack", battle_id=battle_id, enemy_id=1, kind="power"),
        await act(alice, "battles.chat", battle_id=battle_id, text="on we go"),
    ]
    created = await act(admin, "users.create", username="carol", password=PASSWORD, role="viewer")
    carol = created["reply"]["user_id"]
    overseen = [
        created,
        await act(admin, "users.update", user_id=carol, email="carol@example.org"),
        await act(admin, "users.update", user_id=carol, email=None),
        await act(admin, "users.disable", user_id=carol),
    ]
    await bob.ok("battles.attack", battle_id=battle_id, enemy_id=1)
    snapshot = await alice.ok("battles.get", battle_id=battle_id)
    at = await server.rows("select max(at) from room_events")
    await server.kill()
    for person in (alice, bob, admin):
        await person.close()
    await server.command("backup", str(folder / "backup.tar"))
    assert alice.logged_in is not None
    assert admin.logged_in is not None
    return {
        "at": at[0][0],
        "battle_id": battle_id,
        "since": {"epoch": seen["epoch"], "seq": seen["seq"]},
        "done": {"alice": done, "admin": overseen},
        "battle": snapshot,
        "refresh_tokens": {
            "alice": alice.logged_in.tokens.refresh_token,
            "admin": admin.logged_in.tokens.refresh_token,
        },
    }


async def main(to: Path) -> None:
    """Make the data of this version on each engine."""
    cluster = await Postgres().create()
    try:
        for engine in ENGINES:
            with tempfile.TemporaryDirectory() as folder:
                url = await database(engine, cluster, Path(folder) / "data" / "warroom.db")
                known = await leave(Path(folder), engine, url)
                backup = (Path(folder) / "backup.tar").read_bytes()
            (to / f"{engine}.json").write_text(json.dumps(known, indent=1) + "\n")
            (to / f"{engine}.tar.gz").write_bytes(gzip.compress(backup, mtime=0))
    finally:
        await cluster.remove()


if __name__ == "__main__":
    made_in = Path(sys.argv[1])
    made_in.mkdir(parents=True, exist_ok=True)
    asyncio.run(main(made_in))
