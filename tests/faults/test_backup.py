"""Data that was copied while a server runs, and put in the place of what there is."""

import asyncio
import io
import os
import random
import stat
import tarfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.client import refresh
from tests.support.battles import easy_battle, strike
from tests.support.engines import database, execute, on_both_engines
from tests.support.people import Person, connected
from tests.support.postgres import Postgres
from tests.support.server import Server

pytestmark = on_both_engines


@pytest.fixture
async def elsewhere(tmp_path: Path, engine: str, postgres: Postgres | None) -> Server:
    """A server that was never started: an empty database, another folder."""
    url = await database(engine, postgres, tmp_path / "other" / "warroom.db")
    return Server(tmp_path / "other", DATABASE_URL=url)


@pytest.fixture
async def alice(own_server: Server) -> AsyncIterator[Person]:
    """Somebody in a battle."""
    person = await connected(own_server.url)
    yield person
    await person.close()


async def join_room(person: Person, room: str, **since: Any) -> dict[str, Any]:
    """The verdict of a join."""
    return await person.ok("rooms.join", room=room, **({"since": since} if since else {}))


async def test_a_backup_of_a_running_server_is_restored_elsewhere(
    own_server: Server, elsewhere: Server, alice: Person, tmp_path: Path
) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await say(alice, battle_id, "before")
    file = tmp_path / "warroom.tar"
    striking = asyncio.create_task(strike_on(alice, battle_id))
    said = await own_server.command("backup", str(file))
    await striking
    assert str(file) in said
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await say(alice, battle_id, "too-late")
    room = f"battle:{battle_id}"
    seen = await join_room(alice, room)
    assert (await own_server.stop()) == 0

    assert "restored" in await elsewhere.command("restore", str(file))
    async with elsewhere:
        assert await lines(elsewhere) == ["before"]
        again = await Person(elsewhere.url, await refresh_at(elsewhere, alice)).connect()
        # What happened after the copy is gone. Whoever saw it is told, and not told other things
        # under the numbers that it knows.
        verdict = await join_room(again, room, epoch=seen["epoch"], seq=seen["seq"])
        assert (verdict["verdict"], verdict["reason"]) == ("reset", "epoch_changed")
        assert verdict["epoch"] != seen["epoch"]
        # A reply that was in the copy is given again, and nothing is done twice; what was not in
        # it is carried out.
        await say(again, battle_id, "before")
        assert await lines(elsewhere) == ["before"]
        await say(again, battle_id, "too-late")
        assert await lines(elsewhere) == ["before", "too-late"]
        resumed = await join_room(again, room, epoch=verdict["epoch"], seq=verdict["seq"])
        assert resumed["verdict"] == "gap_filled"
        await again.close()


async def say(person: Person, battle_id: str, text: str) -> None:
    """Say something in a battle: what is said is its request_id too."""
    await person.ok("battles.chat", battle_id=battle_id, text=text, request_id=text)


async def lines(server: Server) -> list[str]:
    """What was said, as the history has it."""
    query = "select request_id from room_events where name = 'battles.chat_said' order by seq"
    return [row[0] for row in await server.rows(query)]


async def strike_on(person: Person, battle_id: str) -> None:
    """Strike while the copy is made."""
    for n in range(20):
        await strike(person, battle_id, 1, request_id=f"meanwhile-{n}")


async def refresh_at(server: Server, person: Person) -> Any:
    """A log-in that goes on at another server."""
    assert person.logged_in is not None
    return await refresh(server.url, person.logged_in.tokens.refresh_token)


async def test_an_access_token_is_good_at_a_restored_server(
    own_server: Server, elsewhere: Server, alice: Person, tmp_path: Path
) -> None:
    file = tmp_path / "warroom.tar"
    await own_server.command("backup", str(file))
    await own_server.stop()
    await elsewhere.command("restore", str(file))
    async with elsewhere:
        again = await Person(elsewhere.url, alice.logged_in).connect()
        assert (await again.ok("players.get"))["player"]["player_id"] == alice.id
        await again.close()


async def test_what_is_there_is_replaced_by_force_alone_and_never_under_a_server(
    own_server: Server, alice: Person, tmp_path: Path, engine: str
) -> None:
    file = tmp_path / "warroom.tar"
    await own_server.command("backup", str(file))
    later = await connected(own_server.url)
    await later.close()
    code, _, errors = await own_server.run("restore", str(file))
    assert (code, errors.count("\n")) == (1, 1)
    assert "--force replaces" in errors
    code, _, errors = await own_server.run("restore", str(file), "--force")
    assert (code, errors.count("\n")) == (1, 1)
    assert {"sqlite": "a server runs on", "postgres": "in use"}[engine] in errors
    assert (await alice.ok("players.get"))["player"]["player_id"] == alice.id
    await own_server.stop()
    code, _, errors = await own_server.run("restore", str(file))
    assert code == 1
    assert "--force replaces" in errors
    await own_server.command("restore", str(file), "--force")
    people = [row[0] for row in await own_server.rows("select id from users")]
    assert alice.id in people
    assert later.id not in people
    await own_server.start()
    again = await Person(own_server.url, alice.logged_in).connect()
    await again.close()


async def test_a_backup_replaces_a_backup_and_nothing_else(
    own_server: Server, tmp_path: Path
) -> None:
    file, other = tmp_path / "warroom.tar", tmp_path / "diary"
    for _ in range(2):
        await own_server.command("backup", str(file))
    other.write_text("dear diary")
    code, _, errors = await own_server.run("backup", str(other))
    assert (code, other.read_text()) == (1, "dear diary")
    assert errors == f"warroom: {other} is there, and no backup: it is left alone\n"
    code, _, errors = await own_server.run("restore", str(other), "--force")
    assert (code, errors.count("\n")) == (1, 1)
    assert sorted(os.listdir(tmp_path)) == ["data", "diary", "warroom.tar"]  # noqa: PTH208


@pytest.mark.parametrize("share", [0.5, 0.95])
async def test_a_damaged_backup_harms_nothing(
    own_server: Server, alice: Person, tmp_path: Path, share: float
) -> None:
    file = tmp_path / "warroom.tar"
    await own_server.command("backup", str(file))
    with tarfile.open(file) as tar:
        size = tar.getmember("database").size
    file.write_bytes(file.read_bytes()[: int(size * share)])
    await own_server.stop()
    code, _, errors = await own_server.run("restore", str(file), "--force")
    assert (code, errors.count("\n")) == (1, 1), errors
    await own_server.start()
    again = await Person(own_server.url, alice.logged_in).connect()
    await again.close()


async def test_a_backup_whose_end_is_damaged_harms_nothing(
    own_server: Server, alice: Person, tmp_path: Path, engine: str
) -> None:
    """What it begins with says that all is well."""
    share = {"sqlite": 10, "postgres": 50}[engine]  # of a dump, all but the end is what is in it
    file = tmp_path / "warroom.tar"
    await own_server.command("backup", str(file))
    with tarfile.open(file) as tar:
        member = tar.getmember("database")
    with file.open("rb+") as whole:
        whole.seek(member.offset_data + member.size - member.size // share)
        whole.write(bytes(member.size // share))
    await own_server.stop()
    code, _, errors = await own_server.run("restore", str(file), "--force")
    assert (code, errors.count("\n")) == (1, 1), errors
    await own_server.start()
    again = await Person(own_server.url, alice.logged_in).connect()
    await again.close()


async def test_a_backup_without_its_database_harms_nothing(
    own_server: Server, tmp_path: Path
) -> None:
    whole, file = tmp_path / "whole.tar", tmp_path / "warroom.tar"
    await own_server.command("backup", str(whole))
    await own_server.stop()
    for kind in (None, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.REGTYPE):
        with tarfile.open(whole) as old, tarfile.open(file, "w") as new:
            new.addfile(old.getmember("about.json"), old.extractfile("about.json"))
            if kind is not None:
                member = tarfile.TarInfo("database")
                member.type, member.linkname = kind, "about.json"
                new.addfile(member)
        code, _, errors = await own_server.run("restore", str(file), "--force")
        assert (code, errors.count("\n")) == (1, 1), errors
    assert await own_server.rows("select username from users")


async def test_a_secret_that_is_a_setting_is_not_copied(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "data" / "warroom.db")
    server = Server(tmp_path / "data", DATABASE_URL=url, SECRET_KEY="given-as-a-setting-" * 2)
    file = tmp_path / "warroom.tar"
    await server.command("migrate")
    await server.command("backup", str(file))
    with tarfile.open(file) as tar:
        assert sorted(tar.getnames()) == ["SHA256SUMS", "about.json", "database"]


# ---- verifying a backup


@pytest.fixture
async def backed_up(own_server: Server, alice: Person, tmp_path: Path) -> Path:
    """A backup of a server with a battle."""
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await strike(alice, battle_id, 1)
    file = tmp_path / "warroom.tar"
    await own_server.command("backup", str(file))
    return file


async def test_a_backup_is_verified(own_server: Server, backed_up: Path, engine: str) -> None:
    said = await own_server.command("verify", "--backup", str(backed_up))
    assert "is as it was made" in said
    assert ("invariants hold" in said) == (engine == "sqlite")
    assert await own_server.command("verify", "--backup", str(backed_up), "--json") == ""
    assert [path.name for path in backed_up.parent.iterdir() if path.name[0] == "."] == []


def damage(file: Path) -> tuple[int, int]:
    """Turn one bit. Returns which."""
    whole = bytearray(file.read_bytes())
    at, bit = random.randrange(len(whole)), random.randrange(8)
    whole[at] ^= 1 << bit
    file.write_bytes(whole)
    return at, bit


async def test_what_is_damaged_or_no_backup_is_not_verified(
    own_server: Server, backed_up: Path, tmp_path: Path
) -> None:
    where = damage(backed_up)
    code, output, errors = await own_server.run("verify", "--backup", str(backed_up))
    assert (code, output, errors.count("\n")) == (1, "", 1), (errors, where)
    code, output, errors = await own_server.run("verify", "--backup", str(tmp_path / "nothing"))
    assert (code, output, errors.count("\n")) == (2, "", 1), errors


async def test_a_backup_of_violated_data_is_found(own_server: Server, tmp_path: Path) -> None:
    file, gold = tmp_path / "warroom.tar", "update players set gold = gold + {}"
    await execute(own_server.database, gold.format(1))
    await own_server.command("backup", str(file))
    await execute(own_server.database, gold.format(-1))
    code, output, _ = await own_server.run("verify", "--backup", str(file))
    if not own_server.database.startswith("sqlite"):
        assert "Invariants are not checked" in output  # it says that it has not checked them
        return
    assert code == 1
    assert "players.ledger_sums" in output


async def test_a_backup_of_the_first_format_is_restored(
    own_server: Server, backed_up: Path, elsewhere: Server, tmp_path: Path, alice: Person
) -> None:
    """It has no checksums, which is said."""
    first = tmp_path / "first.tar"
    with tarfile.open(backed_up) as new, tarfile.open(first, "w") as old:
        for name in ("about.json", "database", "secret_key"):
            content = new.extractfile(name)
            assert content is not None
            data = content.read().replace(b'"format":2', b'"format":1')
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), time.time()
            old.addfile(info, io.BytesIO(data))
    code, output, errors = await own_server.run("verify", "--backup", str(first))
    assert (code, "can be read" in output, "as it was made" in output) == (0, True, False), errors
    await own_server.stop()
    code, output, errors = await elsewhere.run("restore", str(first))
    assert (code, errors.count("\n")) == (0, 1), errors
    assert "before backups had checksums" in errors
    async with elsewhere:
        again = await Person(elsewhere.url, alice.logged_in).connect()
        await again.close()


async def test_a_link_to_a_backup_or_a_database_stays(own_server: Server, tmp_path: Path) -> None:
    file, link = tmp_path / "monday.tar", tmp_path / "latest.tar"
    await own_server.command("backup", str(file))
    before = file.read_bytes()
    link.symlink_to(file)
    assert str(link) in await own_server.command("backup", str(link))
    assert link.readlink() == file
    assert file.read_bytes() != before
    if not own_server.database.startswith("sqlite"):
        return
    await own_server.stop()
    place = own_server.data_dir / "warroom.db"
    place.rename(tmp_path / "moved.db")
    place.symlink_to(tmp_path / "moved.db")
    await own_server.command("restore", str(link), "--force")
    assert place.readlink() == tmp_path / "moved.db"
    await own_server.start()
