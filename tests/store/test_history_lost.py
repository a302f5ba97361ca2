"""PostgreSQL that lacks what was committed: a replica that lagged, an older copy put in place."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from protocol.ids import uuid7
from server.database import HistoryLost, Request, Unavailable
from server.database.history import epoch_after
from server.database.mark import Displaced
from tests.store.bench import Bench, listed, outcome, put
from tests.store.test_postgres import OnCommit
from tests.store.test_postgres import back as writes
from tests.support.engines import execute, rows
from tests.support.older import keep, put_back
from tests.support.postgres import Postgres
from tests.support.relay import Relay

pytestmark = pytest.mark.postgres

WITHIN_S = 20
CUT = (
    "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
    " and application_name like 'warroom%' and pid <> pg_backend_pid()"
)
EPOCH = "select value from facts where name = 'epoch'"
WRITERS = "select name from facts where name like 'warroom writer %'"
NO_WRITERS = "delete from facts where name like 'warroom writer %'"
OLD_EPOCH = "update facts set value = '00000000-0000-7000-8000-000000000000' where name = 'epoch'"


@pytest.fixture
async def url(postgres: Postgres) -> str:
    return await postgres.database()


@pytest.fixture
async def bench(url: str) -> AsyncIterator[Bench]:
    opened = await Bench(url).open()
    yield opened
    await opened.db.close()


@pytest.fixture
async def other(bench: Bench, url: str) -> AsyncIterator[Bench]:
    """Another process on the same database."""
    opened = await Bench(url).open()
    yield opened
    await opened.db.close()


async def lost(bench: Bench) -> None:
    """Wait until the writer knows that history was lost."""
    with pytest.raises(HistoryLost):
        async with asyncio.timeout(WITHIN_S):
            await bench.db.writer.watch()


async def epoch(url: str) -> str:
    ((found,),) = await rows(url, EPOCH)
    return str(found)


async def fitting(bench: Bench) -> None:
    """A look at the database, and nothing is wrong."""
    engine: Any = bench.db.writer._engine
    await engine.look()
    await engine.look()  # the first one after a commit asks nothing
    engine.check()
    assert engine.connected


async def test_nothing_is_committed_on_top_of_an_older_copy(bench: Bench, url: str) -> None:
    await bench.submit(put("in the copy"))
    await keep(url)
    await bench.submit(put("lost"))
    await put_back(url)
    assert await outcome(bench.submit(put("on top"))) is Unavailable
    await lost(bench)
    assert await outcome(bench.submit(put("later"))) is Unavailable
    assert await rows(url, "select name from facts where name in ('lost', 'on top', 'later')") == []
    assert await epoch(url) > bench.db.epoch
    # So is whoever starts now, also where this process is killed before it has opened anew.
    third = await Bench(url).open()
    assert third.db.epoch == await epoch(url)
    await third.db.close()


async def failed_over(url: str) -> None:
    """Put the older copy in place, and end all connections."""
    await put_back(url)
    await execute(url, CUT)


HARMS = {
    "an older copy": put_back,
    "a fail-over that lacks a commit": failed_over,
    "the row is gone": lambda url: execute(url, NO_WRITERS),
    "the epoch is gone": lambda url: execute(url, "delete from facts where name = 'epoch'"),
}


@pytest.mark.parametrize("harm", HARMS)
async def test_an_idle_writer_finds_out(bench: Bench, url: str, harm: str) -> None:
    await bench.submit(put("a"))
    await keep(url)
    await bench.submit(put("b"))
    await HARMS[harm](url)
    await lost(bench)
    assert await epoch(url) > bench.db.epoch


async def test_a_copy_that_lacks_nothing_changes_nothing(bench: Bench, url: str) -> None:
    await bench.submit(put("a"))
    await keep(url)
    await put_back(url)
    await fitting(bench)
    await bench.submit(put("b"))
    assert await epoch(url) == bench.db.epoch


async def test_a_lost_connection_alone_is_no_lost_history(bench: Bench, url: str) -> None:
    for number in range(3):
        await bench.submit(put(f"{number}"))
        await execute(url, CUT)
        await writes(bench, f"back {number}")
    await fitting(bench)
    assert await epoch(url) == bench.db.epoch


async def test_a_process_stops_once_another_has_renewed_the_epoch(
    bench: Bench, other: Bench, url: str
) -> None:
    assert bench.db.epoch == other.db.epoch
    await bench.submit(put("a"))
    await keep(url)
    await bench.submit(put("b"))
    await put_back(url)
    await lost(bench)
    renewed = await epoch(url)
    # Its own mark is as it was: nothing of this process is missing.
    assert await outcome(other.submit(put("on the epoch of before"))) is Unavailable
    await lost(other)
    assert await epoch(url) == renewed


async def test_processes_that_lost_the_same_history_renew_the_epoch_once(
    bench: Bench, other: Bench, url: str
) -> None:
    await keep(url)
    await bench.submit(put("a"))
    await other.submit(put("b"))
    await put_back(url)
    await lost(bench)
    renewed = await epoch(url)
    await lost(other)
    assert await epoch(url) == renewed > bench.db.epoch


async def test_an_epoch_of_before_is_not_taken_for_a_new_one(bench: Bench, url: str) -> None:
    """A copy from before the epoch was renewed the last time."""
    await bench.submit(put("a"))
    await execute(url, OLD_EPOCH)
    await lost(bench)
    assert await epoch(url) > bench.db.epoch


async def test_a_commit_of_unknown_outcome_is_not_published_on_another_history(
    postgres: Postgres, url: str
) -> None:
    async with Relay(postgres.port) as relay:
        name = url.rpartition("/")[2]
        far = await Bench(
            relay.url.replace("http://", "postgresql://warroom@", 1) + f"/{name}"
        ).open()
        await far.submit(put("a"))
        await keep(url)
        await far.submit(put("b"))
        work = put("c")
        work.publish(listed())
        OnCommit(far, relay.hold)
        assert await outcome(far.submit(work, Request(("alice", "r"), "d"))) is Unavailable
        await put_back(url)
        with suppress(Unavailable):
            await far.submit(put("d"))
        await lost(far)
        assert far.published == []
        await far.db.close()


async def third_party(bench: Bench, writer: str) -> None:
    """The row of a writer that has committed nothing for long."""
    await bench.submit(put(writer, f"{uuid7(0)} 7"))


async def test_a_new_writer_forgets_the_rows_of_those_that_have_ended(
    bench: Bench, url: str
) -> None:
    """But not the row of one that began weeks ago and is connected."""
    engine: Any = bench.db.writer._engine
    ended, idle = (f"warroom writer {uuid7(n)}" for n in range(2))
    for name in (ended, idle):
        await third_party(bench, name)
    connected = await asyncpg.connect(url, server_settings={"application_name": idle})
    third = await Bench(url).open()
    found = {name for (name,) in await rows(url, WRITERS)}
    new: Any = third.db.writer._engine
    assert found == {idle, engine._mark.writer, new._mark.writer}
    await third.db.close()
    await connected.close()


async def test_recycling_that_leads_to_another_history_commits_nothing(
    bench: Bench, url: str
) -> None:
    engine: Any = bench.db.writer._engine
    await bench.submit(put("a"))
    await keep(url)
    await bench.submit(put("b"))
    await put_back(url)
    with pytest.raises(Displaced):
        await engine.recycle(engine.oldest_at)
    await lost(bench)


@pytest.mark.parametrize("ahead_ms", [0, 10**6, 10**9])
def test_a_new_epoch_sorts_after_the_one_before(ahead_ms: int) -> None:
    """Also where a clock that was ahead has named that."""
    before = uuid7(time.time_ns() // 1_000_000 + ahead_ms)
    for _ in range(100):
        after = epoch_after(before)
        assert after > before
        before = after


def test_an_epoch_of_another_form_has_a_successor() -> None:
    assert epoch_after("zebra")
