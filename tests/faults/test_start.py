"""Starts that can't succeed end, and say why."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.engines import database, on_both_engines
from tests.support.people import connected
from tests.support.postgres import Postgres
from tests.support.server import ROOT, Server


async def run(*arguments: str, **environment: str) -> tuple[int | None, str]:
    code, _, errors = await command("run", *arguments, **environment)
    return code, errors


async def command(*arguments: str, **environment: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    code, errors = await run(
        DATA_DIR=str(tmp_path), PORT="x", ENVIRONMENT="production", LOG_LEVEL="LOUD"
    )
    assert code == 2
    for name in ("PORT", "LOG_LEVEL", "SECRET_KEY"):
        assert name in errors


async def test_a_damaged_secret_ends_the_start_where_there_are_users(own_server: Server) -> None:
    assert await own_server.stop() == 0
    (own_server.data_dir / "secret_key").write_bytes(b"abc")
    code, errors = await run("--port", "0", DATA_DIR=str(own_server.data_dir))
    assert code == 1
    assert "secret_key is damaged" in errors
    assert "delete it" in errors


async def test_a_damaged_secret_is_made_again_where_there_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "secret_key").write_bytes(b"")
    async with Server(folder) as server:
        await (await connected(server.url)).close()
        (warning,) = [line for line in server.logged() if line["event"] == "secret_key_made_again"]
        assert warning["level"] == "warning"


async def test_a_port_that_is_taken_ends_the_start(own_server: Server, tmp_path: Path) -> None:
    code, errors = await run("--port", str(own_server.port), DATA_DIR=str(tmp_path / "other"))
    assert code == 1
    assert "address already in use" in errors.lower()


async def test_a_second_server_on_the_same_data_does_not_start(own_server: Server) -> None:
    data = str(own_server.data_dir)
    code, errors = await run("--port", "0", DATA_DIR=data)
    database = own_server.data_dir / "warroom.db"
    assert errors.startswith(f"warroom: a server runs on {database}: process ")
    assert errors.count("\n") == 1
    assert code == 1
    await own_server.kill()
    await own_server.start()  # nobody is in the way of one that comes after a crash


async def test_a_folder_without_data_is_not_made_into_an_empty_server(tmp_path: Path) -> None:
    place = tmp_path / "typo"
    for line in ("user list", "user role admin viewer", "service-key list"):
        code, output, errors = await command(*line.split(), DATA_DIR=str(place))
        assert (code, output, errors.count("\n")) == (1, "", 1)
        assert f"there is no database at {place}" in errors
    assert not place.exists()


@pytest.mark.parametrize("clients", [0, 20])
async def test_sigterm_ends_with_0(own_server: Server, clients: int) -> None:
    people = [await connected(own_server.url) for _ in range(clients)]
    assert await own_server.stop() == 0
    for person in people:
        await person.until_event("server.closing")
        await person.close()


async def test_a_database_that_is_away_ends_the_start(tmp_path: Path) -> None:
    secret = "not-to-be-shown"
    url = f"postgresql://warroom:{secret}@127.0.0.1:1/none"
    code, errors = await run("--port", "0", DATA_DIR=str(tmp_path), DATABASE_URL=url)
    assert code == 1
    assert errors.startswith("warroom: the database can't be reached")
    assert len(errors.splitlines()) == 1
    assert secret not in errors


@on_both_engines
async def test_tables_go_up_and_down_on_the_command_line(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "test.db")

    async def current(*arguments: str) -> list[str]:
        code, output, errors = await command("migrate", *arguments, DATABASE_URL=url)
        assert (code, errors) == (0, "")
        return [line.split()[1] for line in output.splitlines() if line.startswith("*")]

    (newest,) = await current()
    assert await current("--history") == [newest]
    assert await current("--to", "0001") == ["0001"]
    assert await current("--history") == ["0001"]
    assert await current("--to", "head") == [newest]
    code, _, errors = await command("migrate", "--to", "nowhere", DATABASE_URL=url)
    assert code == 1
    assert "nowhere" in errors
    assert len(errors.splitlines()) == 1


async def test_a_user_called_admin_does_not_keep_the_server_from_starting(tmp_path: Path) -> None:
    server = Server(tmp_path)
    await server.command("user", "add", "admin", "--generate")
    async with server:
        assert not (tmp_path / "admin_password").exists()
        await server.command("user", "role", "admin", "admin")
    assert "nobody is an administrator yet" in server.printed
    async with server:
        pass
    assert "or log in as admin" in server.printed
