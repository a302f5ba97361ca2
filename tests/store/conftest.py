"""Fixtures of the database tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.store.bench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """An open database."""
    opened = await Bench(tmp_path / "test.db").open()
    yield opened
    await opened.db.close()
