"""SQLite on a full disk: what would write is refused at once, reading goes on, it heals itself."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp

from protocol.ids import uuid7
from tests.support.battles import easy_battle
from tests.support.disk import fill
from tests.support.engines import execute
from tests.support.outside import until
from tests.support.people import Person, connected
from tests.support.server import Server

WITHIN_S = 30
OPENED_BYTES = 40_960
"""SQLite's -shm, and the head of a file."""


async def test_a_full_disk_refuses_and_heals(tmp_path: Path, disk: Path) -> None:
    now = asyncio.get_running_loop().time
    url = f"sqlite:///{disk / 'warroom.db'}"
    async with Server(tmp_path / "data", DATABASE_URL=url) as server:
        alice, bob = await connected(server.url), await connected(server.url)
        battle_id = await easy_battle(alice)
        await alice.ok("battles.join", battle_id=battle_id)
        await bob.ok("rooms.join", room=f"battle:{battle_id}")
        carol = await connected(server.url)
        await carol.ok("battles.join", battle_id=battle_id)
        filler = fill(disk)

        # What was written before may be overwritten: that much still goes well.
        kept = 0
        while True:
            line = {"battle_id": battle_id, "text": "x" * 200, "request_id": uuid7()}
            asked = now()
            answer = await alice.call("battles.chat", line)
            took = now() - asked
            if answer["ok"]:
                kept += 1
            elif answer["error"]["code"] == "rate_limited":
                await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)
            else:
                break
        assert answer["error"]["code"] == "unavailable"
        assert "full" in answer["error"]["message"]
        assert took <= 1

        await carol.close()  # who loses her connection has a seat that is put right later
        await reading_goes_on(server, bob, battle_id)
        asked = now()
        refused = await bob.call("battles.join", battle_id=battle_id, request_id=uuid7())
        assert refused["error"]["code"] == "unavailable"
        assert now() - asked <= 1
        assert len((await bob.ok("battles.get", battle_id=battle_id))["chat"]) == kept

        filler.unlink()
        assert (await alice.patiently("battles.chat", **line))["ok"]
        assert (await alice.patiently("battles.chat", **line))["ok"], "the same again"
        await bob.ok("battles.join", battle_id=battle_id)
        await bob.until(lambda: len(bob.named("battles.chat_said")) == kept + 1)
        assert await ready(server) == ("healthy", 200)
        for person in (alice, bob):
            await person.close()
        assert await server.stop() == 0
        # It is no fault of the server: what failed, why, and nothing of where in the code.
        assert not [line for line in server.logged() if "exception" in line]
        failed = [line for line in server.logged() if line["event"] == "commit_failed"]
        assert {"full" in line["error"] for line in failed} == {True}
    said = await server.rows("select count(*) from room_events where name = 'battles.chat_said'")
    assert said == [(kept + 1,)]


async def test_a_start_on_a_full_disk_serves_what_can_be_read(tmp_path: Path, disk: Path) -> None:
    """There is room for the files that SQLite makes when it opens a database, and for no more."""
    path = disk / "warroom.db"
    async with Server(tmp_path / "data", DATABASE_URL=f"sqlite:///{path}") as server:
        alice = await connected(server.url)
        battle_id = await easy_battle(alice)
        await alice.ok("battles.join", battle_id=battle_id)
        await alice.close()
        await server.stop()
        # No battle waits, so that the start has something to write.
        await execute(server.database, "update battles set status = 'completed'")
        filler = fill(disk)
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - OPENED_BYTES)
        await server.start()
        again = await Person(server.url, alice.logged_in).connect()
        await again.ok("players.get")
        assert await ready(server) == ("degraded", 200)
        filler.unlink()

        async def healed() -> bool:
            return await ready(server) == ("healthy", 200)

        await until(healed, WITHIN_S)
        await again.close()


async def test_an_open_that_a_full_disk_fails_says_so(tmp_path: Path, disk: Path) -> None:
    server = Server(tmp_path / "data", DATABASE_URL=f"sqlite:///{disk / 'warroom.db'}")
    await server.command("migrate")
    filler = fill(disk)
    for line in ("run --port 0", "user list", "migrate"):
        code, output, errors = await server.run(*line.split())
        assert (code, output, errors.count("\n")) == (1, "", 1), errors
        assert errors.endswith("disk I/O error (the disk is full)\n")
    filler.unlink()
    await server.start()
    await server.stop()


async def test_a_write_lock_that_another_program_holds_is_seen(own_server: Server) -> None:
    """Also while nobody changes anything."""
    path = own_server.database.removeprefix("sqlite:///")
    other = sqlite3.connect(path, isolation_level=None)
    with closing(other):
        other.execute("begin immediate")

        async def seen() -> bool:
            return await ready(own_server) == ("degraded", 200)

        await until(seen, 5)
        other.execute("rollback")

        async def gone() -> bool:
            return await ready(own_server) == ("healthy", 200)

        await until(gone, 5)


async def reading_goes_on(server: Server, person: Person, battle_id: str) -> None:
    """All that only reads is answered, and whoever asks is told that something is wrong."""
    await person.ok("battles.get", battle_id=battle_id)
    await person.ok("players.get")
    await person.ok("battles.list")
    await person.ok("rooms.join", room="battles")
    assert await ready(server) == ("degraded", 200)


async def ready(server: Server) -> tuple[str, int]:
    """What /health/ready says."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/health/ready") as response,
    ):
        return (await response.json())["status"], response.status
