"""The contract holds on every kind of database."""

import itertools
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from protocol.auth import LoggedIn
from tests.support.conformance import Conformance
from tests.support.engines import ENGINES, database
from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.roles import beside
from tests.support.server import Server

ADMINS = 12


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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def conformance(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Conformance]:
    """A server in conformance mode, as the official suites want it."""
    started = await Conformance(tmp_path_factory.mktemp("conformance")).start()
    yield started
    assert await started.stop() == 0


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admins(server: Server) -> Iterator[LoggedIn]:
    """Log-ins of people who administer: several, so that none of them asks too often."""
    async with beside(server) as office:
        return itertools.cycle([await office.person("admin") for _ in range(ADMINS)])


@pytest.fixture
async def admin(server: Server, admins: Iterator[LoggedIn]) -> AsyncIterator[Person]:
    """Somebody who administers, and is connected."""
    person = await Person(server.url, next(admins)).connect()
    yield person
    await person.close()
