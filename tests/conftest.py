"""Fixtures that all tests share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.people import Person, connected, service_key
from tests.support.server import Server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that the tests share: each brings people of its own."""
    started = await Server(tmp_path_factory.mktemp("server")).start()
    yield started
    assert await started.stop() == 0


@pytest.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server of one test, to be ended and started again."""
    async with Server(tmp_path / "data") as started:
        yield started


@pytest.fixture
async def alice(server: Server) -> AsyncIterator[Person]:
    """Somebody who is connected."""
    person = await connected(server.url)
    yield person
    await person.close()


@pytest.fixture
async def bob(server: Server) -> AsyncIterator[Person]:
    """Somebody else who is connected."""
    person = await connected(server.url)
    yield person
    await person.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reading_key(server: Server) -> str:
    """The key of a service that may read and nothing else."""
    return await service_key(server, "read")


@pytest.fixture
async def service(server: Server, reading_key: str) -> AsyncIterator[Person]:
    """A service that may read and nothing else."""
    person = await Person(server.url).connect(service_key=reading_key)
    yield person
    await person.close()
