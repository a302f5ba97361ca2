"""Fixtures of the database tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.bench import Bench
from tests.support.engines import database
from tests.support.postgres import Postgres


@pytest.fixture
async def bench(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[Bench]:
    """An open database."""
    opened = await Bench(await database(engine, postgres, tmp_path / "test.db")).open()
    yield opened
    await opened.db.close()
