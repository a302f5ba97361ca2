"""Starts that can't succeed end, and say why."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.support.people import connected
from tests.support.server import ROOT, Server


async def run(*arguments: str, **environment: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "run", *arguments),
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        _, errors = await process.communicate()
    return process.returncode, errors.decode()


async def test_all_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    code, errors = await run(
        DATA_DIR=str(tmp_path), PORT="x", ENVIRONMENT="production", LOG_LEVEL="LOUD"
    )
    assert code == 2
    for name in ("PORT", "LOG_LEVEL", "SECRET_KEY"):
        assert name in errors


async def test_a_secret_that_is_too_short_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_bytes(b"abc")
    code, errors = await run("--port", "0", DATA_DIR=str(tmp_path))
    assert code == 1
    assert "secret_key" in errors


async def test_a_port_that_is_taken_ends_the_start(own_server: Server, tmp_path: Path) -> None:
    code, errors = await run("--port", str(own_server.port), DATA_DIR=str(tmp_path / "other"))
    assert code == 1
    assert "address already in use" in errors.lower()


@pytest.mark.parametrize("clients", [0, 20])
async def test_sigterm_ends_with_0(own_server: Server, clients: int) -> None:
    people = [await connected(own_server.url) for _ in range(clients)]
    assert await own_server.stop() == 0
    for person in people:
        await person.until_event("server.closing")
        await person.close()
