"""What becomes of tokens and of what is kept when the clock is set by hours."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from protocol.errors import Failure
from protocol.permissions import Role
from protocol.times import rfc3339
from server.app import App, opened
from server.auth import Auth
from server.config import Settings
from server.database import REPLIES_KEPT_MS, Request, Work
from server.database.history import find_reply
from tests.support.clock import ManualClock
from tests.support.lines import Line
from tests.support.people import PASSWORD

HOURS_S = 3 * 3600.0
DAY_S = 86_400.0
LIFE_S = 15 * 60.0


class Here:
    """A server without sockets, and somebody who is connected with an access token."""

    def __init__(self, app: App, clock: ManualClock, line: Line) -> None:
        self.app = app
        self.clock = clock
        self.line = line

    def left_s(self) -> float:
        """How long the connection may stay open, as it is counted."""
        assert self.line.expiry is not None
        return self.line.expiry.when() - asyncio.get_running_loop().time()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Here]:
    clock = ManualClock()
    async with opened(Settings(data_dir=tmp_path, password_hash_cost=4), clock) as app:
        added = await app.service(Auth).add("ada", PASSWORD, Role.PLAYER)
        identity = await app.gateway.authenticate({"token": added.tokens.access_token})
        line = Line(identity)
        await app.gateway.opened(line)
        yield Here(app, clock, line)


async def test_hours_ahead_the_connection_ends(here: Here) -> None:
    here.clock.set(HOURS_S)
    async with asyncio.timeout(10):
        await here.line.gone.wait()
    assert here.line.ended == "expired"


async def test_minutes_ahead_it_ends_so_much_sooner(here: Here) -> None:
    here.clock.set(600)
    assert LIFE_S - 600 - 10 < here.left_s() <= LIFE_S - 600
    assert here.line.ended is None


@pytest.mark.parametrize("back_s", [600, HOURS_S])
async def test_back_it_ends_no_later_than_it_would_have(here: Here, back_s: float) -> None:
    here.clock.set(-back_s)
    assert LIFE_S - 10 < here.left_s() <= LIFE_S
    assert here.line.ended is None


async def test_a_renewed_connection_is_counted_by_its_new_token(here: Here) -> None:
    here.clock.set(-HOURS_S)
    logged_in = await here.app.service(Auth).add("ben", PASSWORD, Role.PLAYER)
    fresh = await here.app.gateway.authenticate({"token": logged_in.tokens.access_token})
    here.line.identity = fresh
    here.app.gateway.rights.watch_expiry(here.line)
    assert LIFE_S - 10 < here.left_s() <= LIFE_S


async def test_tokens_of_the_time_that_was_are_not_taken_on_a_new_connection(here: Here) -> None:
    """They end as open connections do; whoever logs in now gets good ones."""
    old = (await here.app.service(Auth).add("ben", PASSWORD, Role.PLAYER)).tokens
    here.clock.set(HOURS_S)
    with pytest.raises(Failure):
        await here.app.gateway.authenticate({"token": old.access_token})
    new = (await here.app.service(Auth).refresh(old.refresh_token)).tokens
    await here.app.gateway.authenticate({"token": new.access_token})


async def test_what_was_kept_a_moment_ago_is_not_taken_for_a_month_old(here: Here) -> None:
    """A retry gets its first reply for a day, however far the clock was set."""
    database, clock = here.app.database, here.clock
    work = Work(rfc3339(clock.now_ms()))
    await database.writer.submit(work, b"{}", Request(("ada", "r"), "digest"))
    clock.set(30 * DAY_S)
    await here.app.prune()
    assert await find_reply(database.reader, "ada", "r") is not None
    clock.advance(REPLIES_KEPT_MS / 1000 - 1)
    await here.app.prune()
    assert await find_reply(database.reader, "ada", "r") is not None
    clock.advance(1)
    await here.app.prune()
    assert await find_reply(database.reader, "ada", "r") is None
