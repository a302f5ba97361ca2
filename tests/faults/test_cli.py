"""The command line on a server's data: people, keys, what goes wrong, and `run --dev`."""

import asyncio
import json
import os
import pty
import shutil
import signal
import sys
from pathlib import Path

import pytest

from protocol.auth import Login
from protocol.client import log_in
from protocol.errors import Failure
from server.domains import INVARIANTS
from tests.support.engines import execute, on_both_engines
from tests.support.people import PASSWORD, Person, connected
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.server import ROOT, Server

WITHIN_S = 30

GIVE = "update players set gold = gold + {} where player_id = '{}'"


async def typed(server: Server, given: str, *arguments: str) -> tuple[int | None, str, str]:
    """Run a command with something on its standard input."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments),
        cwd=ROOT,
        env=server._environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate(given.encode())
    return process.returncode, output.decode(), errors.decode()


async def may_log_in(server: Server, name: str, password: str) -> bool:
    """Whether a password is right."""
    try:
        await log_in(server.url, Login(name, password))
    except Failure:
        return False
    return True


async def test_what_the_first_migration_makes_is_nobody_elses(tmp_path: Path) -> None:
    """Whoever migrates before the first start has made the file that passwords go into."""
    data = tmp_path / "data"
    await Server(data).command("migrate")
    for path in (data, *data.iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


@on_both_engines
async def test_people_come_and_go_beside_a_running_server(own_server: Server) -> None:
    code, output, errors = await typed(
        own_server,
        f"{PASSWORD}\n",
        *("user", "add", "Ada", "--role", "user", "--email", "ada@example.org", "--password-stdin"),
    )
    assert (code, output) == (0, "Ada is added with the role user\n")
    logged = json.loads(errors)
    assert (logged["event"], logged["actor_name"]) == ("command_audited", "command line")
    assert await may_log_in(own_server, "ada@example.org", PASSWORD)
    made = await own_server.command("user", "add", "bob", "--generate")
    assert await may_log_in(own_server, "bob", made.split("password: ")[1].strip())

    listed = await own_server.command("user", "list")
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["NAME", "ROLE", "KEPT"],
        ["Ada", "user", "no"],
        ["admin", "admin", "no"],
        ["bob", "player", "no"],
    ]
    lines = (await own_server.command("user", "list", "--search", "EXAMPLE", "--json")).splitlines()
    assert [json.loads(line)["username"] for line in lines] == ["Ada"]
    assert "$2b$" not in listed

    code, output, _ = await typed(
        own_server, "another horse\n", "user", "password", "ada", "--password-stdin"
    )
    assert code == 0
    assert not await may_log_in(own_server, "Ada", PASSWORD)
    assert await may_log_in(own_server, "Ada", "another horse")

    person = await connected(own_server.url)
    assert person.logged_in is not None
    await own_server.command("user", "delete", person.logged_in.user.username, "--yes")
    async with asyncio.timeout(WITHIN_S):
        await person.until_closed()
    await person.close()
    assert person.logged_in.user.username not in await own_server.command("user", "list")


@on_both_engines
async def test_keys_are_listed_without_the_keys(own_server: Server) -> None:
    key = (await own_server.command("service-key", "add", "cron", "--scope", "read")).strip()
    await own_server.command("service-key", "add", "old")
    await own_server.command("service-key", "revoke", "old")
    listed = await own_server.command("service-key", "list")
    assert [line.split()[:3] for line in listed.splitlines()] == [
        ["NAME", "SCOPES", "REVOKED"],
        ["cron", "read", "no"],
        ["old", "-", "yes"],
    ]
    lines = (await own_server.command("service-key", "list", "--json")).splitlines()
    assert [json.loads(line)["scopes"] for line in lines] == [["read"], []]
    assert key not in listed
    person = await Person(own_server.url).connect(service_key=key)
    await person.close()


REFUSED = {
    "a name that is taken": ("user add admin --generate", 1),
    "a name that is none": ("user add x --generate", 2),
    "an address that is none": ("user add ada --email here --generate", 2),
    "no terminal to ask on": ("user add ada", 2),
    "no terminal to be sure on": ("user delete admin", 2),
    "a short password": ("user add ada --password-stdin", 2),
    "nobody": ("user disable nobody-here", 1),
    "a key that is none": ("service-key revoke none", 1),
    "a revision that is none": ("migrate --to nowhere", 1),
    "a backup that is none": ("restore nowhere.tar", 1),
    "a folder that is none": ("backup /nowhere/at/all.tar", 1),
    "a port that is none": ("run --port x", 2),
}


@pytest.mark.parametrize(("line", "expected"), REFUSED.values(), ids=REFUSED)
async def test_what_goes_wrong_is_one_line(server: Server, line: str, expected: int) -> None:
    code, output, errors = await typed(server, "short\n", *line.split())
    assert (code, output, errors.count("\n")) == (expected, "", 1), errors
    assert errors.startswith("warroom: ")


@pytest.mark.parametrize("line", ["user add ada", "user password admin"])
async def test_a_password_with_nul_is_one_line(server: Server, line: str) -> None:
    command = (*line.split(), "--password-stdin")
    code, output, errors = await typed(server, "pass\0word\n", *command)
    assert (code, output) == (1, "")
    assert errors == "warroom: invalid: password: must not contain the character U+0000 (NUL)\n"


async def test_a_database_that_can_not_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "diary.db").write_text("dear diary, " * 1000)
    wrong = [
        f"sqlite:///{tmp_path}/diary.db",
        f"sqlite:///{tmp_path}/nowhere/there.db",
        f"sqlite:///{tmp_path}",
        "postgresql://ada:tell-nobody@127.0.0.1:1/none",
        "postgresql://ada:tell-nobody@nowhere.invalid/none",
    ]
    for url in wrong:
        server = Server(tmp_path / "data", DATABASE_URL=url)
        for arguments in (
            ("run", "--port", "0"),
            ("user", "list"),
            ("backup", str(tmp_path / "b")),
        ):
            code, output, errors = await server.run(*arguments)
            assert (code, output, errors.count("\n")) == (1, "", 1), (url, arguments, errors)
            assert "tell-nobody" not in errors


@pytest.mark.postgres
async def test_a_database_of_postgres_that_is_not_there_is_one_line(
    tmp_path: Path, postgres: Postgres | None
) -> None:
    if postgres is None:
        need("postgres")
    assert postgres is not None
    server = Server(tmp_path / "data", DATABASE_URL=postgres.url("nowhere"))
    for arguments in (("run", "--port", "0"), ("user", "list"), ("backup", str(tmp_path / "b"))):
        code, output, errors = await server.run(*arguments)
        assert (code, output, errors.count("\n")) == (1, "", 1), errors
        assert "nowhere" in errors


async def test_a_password_is_asked_for_without_an_echo(own_server: Server) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "user", "add", "carol"),
        cwd=ROOT,
        env=own_server._environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    for asked in (b"Password of carol:", b"Once more:"):
        while asked not in shown:
            shown += await asyncio.to_thread(os.read, ours, 1024)
        os.write(ours, f"{PASSWORD}\n".encode())
    while b"is added" not in shown:
        shown += await asyncio.to_thread(os.read, ours, 1024)
    assert await process.wait() == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert await may_log_in(own_server, "carol", PASSWORD)


async def test_the_last_admin_stays(own_server: Server) -> None:
    code, output, errors = await typed(own_server, "", "user", "role", "admin", "player")
    assert (code, output) == (1, "")
    assert errors == "warroom: refused: admin is the last admin: make another user admin first\n"


# ---- verify


@on_both_engines
async def test_the_data_are_verified_beside_a_running_server(own_server: Server) -> None:
    code, output, errors = await own_server.run("verify")
    assert (code, errors) == (0, "")
    assert output == f"all {len(INVARIANTS)} invariants hold\n"
    assert await own_server.run("verify", "--json") == (0, "", "")

    person = await connected(own_server.url)
    await execute(own_server.database, GIVE.format(5, person.id))
    code, output, errors = await own_server.run("verify")
    assert (code, errors) == (1, "")
    named = [line.split(": ")[0] for line in output.splitlines()]
    assert named == ["players.ledger_sums", "players.ledger_runs"]
    where = f"player {person.id}, gold: the balance is 1005, the rows sum up to 1000"
    assert output.splitlines()[0].endswith(where)
    code, output, _ = await own_server.run("verify", "--json")
    found = [json.loads(line) for line in output.splitlines()]
    assert code == 1
    assert [(one["invariant"], one["count"]) for one in found] == [(name, 1) for name in named]
    assert found[0]["examples"] == [where]
    await execute(own_server.database, GIVE.format(-5, person.id))
    await person.close()


async def test_what_can_not_be_verified_is_one_line(tmp_path: Path) -> None:
    """Exit code 2, so that it is not taken for data that are broken, nor for data that are fine."""
    data = tmp_path / "data"
    await Server(data).command("migrate", "--to", "0001")
    (data / "diary.db").write_text("dear diary, " * 1000)
    before = {path.name for path in data.iterdir()}
    for url, words in (
        (f"sqlite:///{data}/warroom.db", "the tables are at 0001"),
        (f"sqlite:///{data}/none.db", "there is no database at"),
        (f"sqlite:///{data}/diary.db", "can't be opened"),
        ("postgresql://ada:tell-nobody@127.0.0.1:1/none", "can't be reached"),
    ):
        code, output, errors = await Server(data, DATABASE_URL=url).run("verify")
        assert (code, output, errors.count("\n")) == (2, "", 1), (url, errors)
        assert words in errors
        assert "tell-nobody" not in errors
    assert {path.name for path in data.iterdir()} == before


# ---- run --dev


async def test_dev_starts_anew_when_a_source_changes(tmp_path: Path) -> None:
    """A copy of the sources, one of which changes. The server before ends by its clean shutdown."""
    for folder in ("server", "protocol"):
        skip = shutil.ignore_patterns("node_modules", "__pycache__")
        await asyncio.to_thread(shutil.copytree, ROOT / folder, tmp_path / folder, ignore=skip)
    shutil.copy(ROOT / "PROTOCOL.md", tmp_path)  # which /protocol shows
    server = Server(tmp_path / "data")
    server.data_dir.mkdir()
    log = server.log.open("wb")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "run", "--dev", "--port", "0"),
        cwd=tmp_path,
        env={**server._environment, "PYTHONPATH": str(tmp_path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )
    log.close()
    assert process.stdout is not None

    async def until(words: str) -> str:
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN_S * 2):
            while line := (await process.stdout.readline()).decode():
                if words in line:
                    return line
        raise AssertionError(server.log.read_text())

    url = (await until("Warroom is at")).split()[-1]
    person = await connected(url)
    source = tmp_path / "server" / "http" / "page.py"
    source.write_text(source.read_text() + "\n# changed\n")
    await person.until_event("server.closing")
    await person.close()
    assert "page.py" in await until("starting anew")
    again = (await until("Warroom is at")).split()[-1]
    person = await Person(again, person.logged_in).connect()
    await person.close()
    source.write_text("this is no Python\n")
    await until("starting anew")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(WITHIN_S):
        await process.communicate()
    text = server.log.read_text()
    assert '"level":"debug"' in text
    assert text.count('"event":"closing"') == 2
