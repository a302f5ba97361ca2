"""PostgreSQL that is read-only for a moment, and other errors that end a connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from server.database import Unavailable, connect, connect_postgres, migrate
from server.database.connect_postgres import ReadOnly, Target, Unusable, lost
from server.runtime.clock import SystemClock
from server.runtime.metrics import Metrics
from tests.store.bench import Bench, outcome, put
from tests.support.engines import execute, rows
from tests.support.postgres import Postgres
from tests.support.programs import need
from tests.support.relay import Relay
from tests.support.until import until

pytestmark = pytest.mark.postgres

READ_ONLY = "set default_transaction_read_only ="
CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
    " and application_name like 'warroom writer %'"
)


@pytest.fixture
async def bench(postgres: Postgres | None) -> AsyncIterator[Bench]:
    if postgres is None:
        need("postgres")
    assert postgres is not None
    opened = await Bench(await postgres.database()).open()
    watching = asyncio.create_task(opened.db.writer.watch())
    yield opened
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await opened.db.close()


def name_of(url: str) -> str:
    """The name of a database."""
    return url.rpartition("/")[2]


def server_of(url: str) -> str:
    """The address of another database of its server."""
    return f"{url.rpartition('/')[0]}/postgres"


async def writes(bench: Bench) -> None:
    """Wait until units are committed."""
    number = 0

    async def committed() -> bool:
        nonlocal number
        number += 1
        return await outcome(bench.submit(put(f"back {number}"))) is None

    await until(committed)


@asynccontextmanager
async def read_only_database(url: str) -> AsyncIterator[None]:
    """Sessions that begin meanwhile only read. Those that are there are cut, as in a fail-over."""
    await execute(server_of(url), f"alter database {name_of(url)} {READ_ONLY} on")
    await execute(url, CUT)
    yield
    await execute(server_of(url), f"alter database {name_of(url)} reset all")


@asynccontextmanager
async def read_only_server(url: str) -> AsyncIterator[None]:
    """All sessions only read meanwhile, also those that are there."""
    reload = "select pg_reload_conf()"
    await execute(server_of(url), f"alter system {READ_ONLY} on", reload)
    yield
    await execute(
        server_of(url),
        "set transaction_read_only = off",
        "alter system reset default_transaction_read_only",
        reload,
    )


@pytest.mark.parametrize("read_only", [read_only_database, read_only_server])
async def test_writes_go_on_after_a_database_was_read_only(bench: Bench, read_only: Any) -> None:
    writer = bench.db.writer
    await bench.submit(put("before"))
    async with read_only(bench.url):

        async def known() -> bool:
            assert await outcome(bench.submit(put("meanwhile"))) in (Unavailable, None)
            return writer.read_only

        await until(known)
        assert not writer.connected
        assert await outcome(bench.submit(put("refused"))) is Unavailable
        assert "before" in await bench.facts()  # it reads all the while
    await writes(bench)
    assert (writer.connected, writer.read_only) == (True, False)
    assert "refused" not in await bench.facts()


async def test_an_idle_writer_sees_that_the_database_is_read_only(bench: Bench) -> None:
    async with read_only_server(bench.url):

        async def known() -> bool:
            return bench.db.writer.read_only

        await until(known)
    await writes(bench)


DEALLOCATE = "deallocate all"
IDLE = "set idle_in_transaction_session_timeout = 1; begin"


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda c, _: c.execute(DEALLOCATE), id="26000 a session that was reset"),
        pytest.param(lambda _, url: execute(url, CUT), id="57P01 an operator ends it"),
        pytest.param(lambda c, _: c.execute(IDLE), id="25P03 too long in a transaction"),
    ],
)
async def test_a_connection_that_is_of_no_use_is_replaced(bench: Bench, harm: Any) -> None:
    engine: Any = bench.db.writer._engine
    await harm(engine._connection, bench.url)
    await writes(bench)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        *((state, True) for state in ("25006", "25P03", "25P04", "26000", "57P01", "57P02")),
        *((state, True) for state in ("57P03", "57P04", "57P05", "08006", "08P01")),
        *((state, False) for state in ("53100", "53200", "57014", "40001", "23505", "25P02")),
    ],
)
def test_which_errors_end_a_connection(state: str, expected: bool) -> None:
    assert lost(asyncpg.PostgresError.new({"C": state, "M": "?"})) is expected


async def test_a_reset_session_is_replaced_among_the_readers(bench: Bench) -> None:
    reader: Any = bench.db.reader
    for held in list(reader._open):
        await bench.facts()
        await held._raw.execute(DEALLOCATE)

    async def read() -> bool:
        try:
            await bench.facts()
        except Unavailable:
            return False
        return len(reader._open) == 2

    for _ in range(4):
        await until(read)


async def test_a_host_that_does_not_answer_does_not_hide_the_next(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect_postgres, "CONNECT_S", 0.3)
    url = await postgres.database()
    async with Relay(postgres.port) as silent:
        silent.cut()
        host = silent.url.removeprefix("http://")
        connection = await connect_postgres.connect_postgres(
            url.replace("@", f"@{host},", 1), "a test", Target.WRITES
        )
        assert await connection.fetchval("select 1") == 1
        await connection.close()
        with pytest.raises(TimeoutError):
            await connect_postgres.connect_postgres(
                f"postgresql://warroom@{host}/x", "a test", Target.WRITES
            )


async def opened(url: str) -> None:
    """Open a database as a server does, and close it."""
    await asyncio.to_thread(migrate, url)
    database = await connect(
        url, readers=1, recycle_s=0, publish=lambda *_: None, metrics=Metrics(), clock=SystemClock()
    )
    await database.close()


async def test_a_first_start_on_a_read_only_database_ends(postgres: Postgres) -> None:
    url = await postgres.database()
    async with read_only_database(url):
        with pytest.raises(ReadOnly, match="the database is read-only"):
            await opened(url)
    await opened(url)
    async with read_only_database(url):
        with pytest.raises(ReadOnly, match="the database is read-only"):
            await opened(url)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_does_not_hold_all_text_is_refused(
    postgres: Postgres, encoding: str
) -> None:
    name = f"other_{encoding.lower()}"
    await execute(
        postgres.url("postgres"),
        f"create database {name} encoding '{encoding}' locale 'C' template template0",
    )
    with pytest.raises(Unusable, match=f"is {encoding}, and must be UTF8"):
        await asyncio.to_thread(migrate, postgres.url(name))
    with pytest.raises(Unusable, match=f"is {encoding}, and must be UTF8"):
        await connect(
            postgres.url(name),
            readers=1,
            recycle_s=0,
            publish=lambda *_: None,
            metrics=Metrics(),
            clock=SystemClock(),
        )
    assert await rows(postgres.url(name), "select 1 from pg_tables where tablename = 'facts'") == []
