"""Fixtures that all tests share."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.engines import database
from tests.support.people import Person, connected, service_key
from tests.support.postgres import Postgres
from tests.support.programs import find
from tests.support.server import Server
from tests.support.verified import verified
from tests.support.wire import Transport

TESTS = Path(__file__).parent

# Under nohup, or behind `&` in a script, these are ignored, and so they would be in all servers.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOGETHER = ("browser", "architecture")
LONG = (
    "faults/test_backup.py",
    "faults/test_cli.py",
    "faults/test_kill.py",
    "faults/test_resume.py",
    "events/test_benches.py",
    "store/test_law.py",
    "store/test_presence.py",
    "docs/test_add_a_command.py",
    "faults/test_postgres.py",
    "faults/test_flapping.py",
)
"""The files that take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file stay together, in one process and in their order; those of the browser
    all do, as they share one. What lasts longest begins first, or the rest would wait for it.
    """
    for item in items:
        kind, *within = item.path.relative_to(TESTS).parts
        together = kind if kind in TOGETHER else "/".join((kind, *within))
        item.add_marker(pytest.mark.xdist_group(together))
    items.sort(key=lambda item: item.path.relative_to(TESTS).as_posix() not in LONG)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres() -> AsyncIterator[Postgres | None]:
    """A PostgreSQL server that the tests share, None where it is not installed."""
    if find("postgres") is None:
        yield None
        return
    created = await Postgres(durable=False).create()
    yield created
    await created.remove()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The kind of database: SQLite, but for tests that are run `on_both_engines`."""
    return str(getattr(request, "param", "sqlite"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that the tests share: each brings people of its own."""
    started = await Server(tmp_path_factory.mktemp("server")).start()
    yield started
    assert await started.stop() == 0
    await verified(started.database)


@pytest.fixture
async def own_server(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> AsyncIterator[Server]:
    """A server of one test, to be ended and started again."""
    url = await database(engine, postgres, tmp_path / "data" / "warroom.db")
    async with Server(tmp_path / "data", DATABASE_URL=url) as started:
        yield started
    await verified(url)


@pytest.fixture
def transport() -> Transport:
    """How people connect: by Socket.IO, but for the tests of the contract."""
    return Person.transport


@pytest.fixture
async def alice(server: Server, transport: Transport) -> AsyncIterator[Person]:
    """Somebody who is connected."""
    person = await connected(server.url)
    yield person
    await person.close()


@pytest.fixture
async def bob(server: Server, transport: Transport) -> AsyncIterator[Person]:
    """Somebody else who is connected."""
    person = await connected(server.url)
    yield person
    await person.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def reading_key(server: Server) -> str:
    """The key of a service that may read and nothing else."""
    return await service_key(server, "read")


@pytest.fixture
async def service(server: Server, transport: Transport, reading_key: str) -> AsyncIterator[Person]:
    """A service that may read and nothing else."""
    person = await Person(server.url).connect(service_key=reading_key)
    yield person
    await person.close()
