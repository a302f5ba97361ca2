"""The contract holds on every kind of database."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.engines import ENGINES, database
from tests.support.postgres import Postgres
from tests.support.server import Server


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=ENGINES)
async def server(
    request: pytest.FixtureRequest,
    postgres: Postgres | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Server]:
    """A server that the tests share: each brings people of its own."""
    folder = tmp_path_factory.mktemp("server")
    url = await database(request.param, postgres, folder / "warroom.db")
    started = await Server(folder, DATABASE_URL=url).start()
    yield started
    assert await started.stop() == 0
