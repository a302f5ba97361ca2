"""Fixtures of the database tests."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.auth.rights import EVERY_S
from server.database import postgres as postgres_engine
from tests.store.bench import Bench
from tests.support.engines import database
from tests.support.postgres import Postgres
from tests.support.processes import Look, Process, process


@pytest.fixture
async def bench(
    tmp_path: Path, engine: str, postgres: Postgres | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Bench]:
    """An open database, that may take its time: how soon it must answer is tested elsewhere."""
    monkeypatch.setattr(postgres_engine, "STEP_S", 30.0)
    opened = await Bench(await database(engine, postgres, tmp_path / "test.db")).open()
    yield opened
    await opened.db.close()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Process]:
    """The process that the connections are open to."""
    async with process(tmp_path) as started:
        yield started


@pytest.fixture
async def there(here: Process, tmp_path: Path) -> AsyncIterator[Process]:
    """Another one."""
    async with process(tmp_path) as started:
        yield started


@pytest.fixture
async def listening(here: Process) -> AsyncIterator[Look]:
    """Runs the service of `here`; what it gives turns the clock and waits until it has looked."""
    task = asyncio.create_task(here.app.background["rights"]())  # type: ignore[arg-type]
    assert await here.clock.asleep() == EVERY_S <= 2

    async def look() -> None:
        here.clock.advance(EVERY_S)
        await here.clock.asleep()
        assert not task.done()

    yield look
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
