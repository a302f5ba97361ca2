"""A refresh token is for one use; the reply to it may have been lost."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from protocol.auth import LoggedIn
from protocol.errors import Code, Failure
from server.app import App
from server.auth import Accounts, Auth, Rights
from server.auth.refresh_tokens import CLOCKS_APART_MS, REUSE_GRACE_MS
from server.database import Statement, Work
from server.database import postgres as postgres_engine
from tests.support.clock import START_MS, ManualClock
from tests.support.engines import database, on_both_engines
from tests.support.lines import accepted
from tests.support.postgres import Postgres
from tests.support.processes import Process, process

GRACE_S = REUSE_GRACE_MS / 1000
AT_ONCE = 10

OLD_SUCCESSOR = Statement(
    "tests.old_successor",
    "update refresh_tokens set successor = 'not derived' where used_at is not null",
)
WAITING_FOR_A_LOCK = "select count(*) from pg_locks where not granted"


@pytest.fixture
async def url(tmp_path: Path, engine: str, postgres: Postgres | None) -> str:
    """An empty database."""
    return await database(engine, postgres, tmp_path / "warroom.db")


@pytest.fixture
async def two(tmp_path: Path, url: str) -> AsyncIterator[tuple[Process, Process]]:
    """Two processes on it."""
    async with process(tmp_path, url) as one, process(tmp_path, url) as other:
        yield one, other


async def refreshed(here: Process, token: LoggedIn) -> LoggedIn:
    """What a refresh token is traded for."""
    return await here.app.service(Auth).refresh(token.tokens.refresh_token)


async def refused(here: Process, token: LoggedIn) -> None:
    """It is traded for nothing."""
    with pytest.raises(Failure) as caught:
        await refreshed(here, token)
    assert caught.value.error.code is Code.UNAUTHENTICATED


def units_of(app: App, monkeypatch: pytest.MonkeyPatch) -> list[Work]:
    """All units that are queued from now on."""
    queued: list[Work] = []
    queue = app.database.writer.queue

    def watched(work: Work, *given: Any) -> None:
        queued.append(work)
        queue(work, *given)

    monkeypatch.setattr(app.database.writer, "queue", watched)
    return queued


async def test_a_retry_gets_the_same_token_and_changes_nothing(
    here: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    lost = await refreshed(here, first)
    queued = units_of(here.app, monkeypatch)
    here.clock.advance(GRACE_S)
    second = await refreshed(here, first)
    assert second.tokens.refresh_token == lost.tokens.refresh_token
    assert second.tokens.access_token != lost.tokens.access_token
    for token in (lost, second):
        assert await accepted(here.app, token=token.tokens.access_token)
    assert queued == []
    third = await refreshed(here, second)
    assert await accepted(here.app, token=third.tokens.access_token)
    assert line.ended is None


async def test_a_retry_gets_the_same_token_whatever_became_of_that(here: Process) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    second = await refreshed(here, first)
    third = await refreshed(here, second)
    again = await refreshed(here, first)
    assert again.tokens.refresh_token == second.tokens.refresh_token
    assert (await refreshed(here, again)).tokens.refresh_token == third.tokens.refresh_token
    assert line.ended is None


async def test_after_ten_seconds_it_is_a_copy_and_the_log_in_ends(here: Process) -> None:
    first = await here.person("alice")
    lines = [await here.line(first)]
    second = await refreshed(here, first)
    lines.append(await here.line(second))
    other = await here.line(await here.log_in("alice"))
    here.clock.advance(GRACE_S + 0.001)
    await refused(here, first)
    assert [line.ended for line in (*lines, other)] == ["logged_out", "logged_out", None]
    await refused(here, second)
    for token in (first, second):
        assert not await accepted(here.app, token=token.tokens.access_token)


async def test_retries_do_not_prolong_the_grace(here: Process) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    for _ in range(3):
        await refreshed(here, first)
        here.clock.advance(GRACE_S / 3 + 0.001)
    await refused(here, first)
    assert line.ended == "logged_out"


@on_both_engines
async def test_any_number_at_once_in_two_processes_get_one_successor(
    two: tuple[Process, Process],
) -> None:
    first = await two[0].person("alice")
    lines = [await here.line(first) for here in two]
    token = first
    for _ in range(3):
        found = await asyncio.gather(*(refreshed(here, token) for here in two * (AT_ONCE // 2)))
        (successor,) = {one.tokens.refresh_token for one in found}
        assert successor != token.tokens.refresh_token
        token = found[0]
    for here in two:
        await here.app.service(Rights).look()
    assert [line.ended for line in lines] == [None, None]


@on_both_engines
async def test_a_retry_after_a_restart_gets_the_same_token(tmp_path: Path, url: str) -> None:
    async with process(tmp_path, url) as before:
        first = await before.person("alice")
        lost = await refreshed(before, first)
    async with process(tmp_path, url) as after:
        second = await refreshed(after, first)
        assert second.tokens.refresh_token == lost.tokens.refresh_token
        await refreshed(after, second)


async def test_another_secret_refuses_a_retry_and_ends_nothing(tmp_path: Path) -> None:
    async with process(tmp_path, secret_key="a" * 32) as before:
        first = await before.person("alice")
        second = await refreshed(before, first)
    async with process(tmp_path, secret_key="b" * 32) as after:
        await refused(after, first)
        third = await refreshed(after, second)
        assert await accepted(after.app, token=third.tokens.access_token)


async def test_a_successor_that_was_not_derived_refuses_a_retry_and_ends_nothing(
    here: Process,
) -> None:
    """As versions before this one have stored it."""
    first = await here.person("alice")
    line = await here.line(first)
    second = await refreshed(here, first)
    work = Work("")
    work.change(OLD_SUCCESSOR)
    await here.app.database.writer.submit(work, b"", None)
    await refused(here, first)
    assert line.ended is None
    await refreshed(here, second)
    here.clock.advance(GRACE_S + 0.001)
    await refused(here, first)  # a copy, as ever
    assert line.ended == "logged_out"


@pytest.mark.parametrize("end", ["log_out", "disable", "delete", "password"])
async def test_nobody_retries_once_the_log_in_is_ended(here: Process, end: str) -> None:
    first = await here.person("alice")
    second = await refreshed(here, first)
    if end == "log_out":
        await here.log_out(second)
    elif end == "password":
        await here.app.service(Accounts).set_password("alice", "another horse")
    else:
        await getattr(here.app.service(Accounts), end)("alice")
    for token in (first, second):
        await refused(here, token)


async def test_the_clock_of_another_process_may_be_ahead_by_so_much(
    tmp_path: Path, here: Process
) -> None:
    """But a clock that was set back by more opens the grace to no copy."""
    first, other = await here.person("alice"), await here.person("bob")
    lines = [await here.line(first), await here.line(other)]
    for token in (first, other):
        await refreshed(here, token)
    async with process(tmp_path, clock=ManualClock(START_MS - CLOCKS_APART_MS)) as behind:
        await refreshed(behind, first)
        behind.clock.advance(-0.001)
        await refused(behind, other)
    await here.app.service(Rights).look()
    assert [line.ended for line in lines] == [None, "logged_out"]


async def test_a_token_that_was_never_used_lives_for_its_days_and_no_longer(here: Process) -> None:
    """One that was used in its last second is retried all the same."""
    days = here.app.settings.refresh_token_expire_days
    first, second = await here.person("alice"), await here.log_in("alice")
    here.clock.advance(days * 86_400 - 1)
    lost = await refreshed(here, first)
    here.clock.advance(1)
    await here.app.prune()
    await refused(here, second)
    assert (await refreshed(here, first)).tokens.refresh_token == lost.tokens.refresh_token
    here.clock.advance(GRACE_S)
    await here.app.prune()
    await refused(here, first)
    await refreshed(here, lost)


@pytest.mark.postgres
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_log_out_ends_what_another_process_is_about_to_commit(
    two: tuple[Process, Process], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "STEP_S", 30.0)  # how soon it answers is tested elsewhere
    here, there = two
    first = await here.person("alice")
    entered, go = asyncio.Event(), asyncio.Event()
    engine: Any = here.app.database.writer._engine
    connection = engine._connection

    class Held:
        """The connection of the writer, whose COMMIT waits."""

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

        async def execute(self, text: str, *given: Any, **options: Any) -> Any:
            """Send it on."""
            if text == "commit":
                entered.set()
                await go.wait()
            return await connection.execute(text, *given, **options)

    engine._connection = Held()
    refreshing = asyncio.create_task(refreshed(here, first))
    await entered.wait()
    logging_out = asyncio.create_task(there.log_out(first))
    looking = await asyncpg.connect(url)
    async with asyncio.timeout(10):
        while not await looking.fetchval(WAITING_FOR_A_LOCK):
            pass  # the other process has sent it
    await looking.close()
    go.set()
    second = await refreshing
    await logging_out
    await refused(there, second)
    assert not await accepted(there.app, token=second.tokens.access_token)
