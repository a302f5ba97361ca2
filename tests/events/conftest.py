"""The contract holds on every kind of database, and over every transport.

A test that has people (`alice`, `bob`, `service`, `admin`, or `transport` itself) runs on SQLite
over Socket.IO and over `/ws`, and on PostgreSQL over Socket.IO: a database does not know who asks
it. What is marked `pairwise`, as it takes long, runs on SQLite over Socket.IO and on PostgreSQL
over `/ws`: each of the four once. What is marked `socketio` is about that alone, or about a client
that speaks nothing else.
"""

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
from tests.support.wire import Transport

ADMINS = 12
TRANSPORTS = {"websocket": "socketio", "plain": "plain"}
"""What people connect by, and its name in a test's."""
PAIRS = {("sqlite", "websocket"), ("sqlite", "plain"), ("postgres", "websocket")}
PAIRWISE = {("sqlite", "websocket"), ("postgres", "plain")}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of people run over every transport."""
    if "transport" in metafunc.fixturenames:
        only = metafunc.definition.get_closest_marker("socketio")
        chosen = {"websocket": "socketio"} if only else TRANSPORTS
        metafunc.parametrize("transport", chosen, ids=chosen.values(), indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Not every test runs on every database over every transport."""
    dropped = [item for item in items if isinstance(item, pytest.Function) and not _is_run(item)]
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _is_run(item: pytest.Function) -> bool:
    params = item.callspec.params if hasattr(item, "callspec") else {}
    engine = params.get("server") or params.get("engine")
    if engine is None or "transport" not in params:
        return True
    pairs = PAIRWISE if item.get_closest_marker("pairwise") else PAIRS
    return (engine, params["transport"]) in pairs


@pytest.fixture
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Transport:
    """How people connect in a test."""
    chosen: Transport = request.param
    monkeypatch.setattr(Person, "transport", chosen)
    return chosen


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
async def admin(
    server: Server, transport: Transport, admins: Iterator[LoggedIn]
) -> AsyncIterator[Person]:
    """Somebody who administers, and is connected."""
    person = await Person(server.url, next(admins)).connect()
    yield person
    await person.close()
