"""A refresh token is for one use; the reply to it may have been lost."""

import asyncio

import pytest

from protocol.auth import LoggedIn
from protocol.errors import Code, Failure
from server.auth.service import REUSE_GRACE_MS
from tests.support.lines import accepted
from tests.support.processes import Process

GRACE_S = REUSE_GRACE_MS / 1000


async def refreshed(here: Process, token: LoggedIn) -> LoggedIn:
    """What a refresh token is traded for."""
    return await here.app.auth.refresh(token.tokens.refresh_token)


async def refused(here: Process, token: LoggedIn) -> None:
    """It is traded for nothing."""
    with pytest.raises(Failure) as caught:
        await refreshed(here, token)
    assert caught.value.error.code is Code.UNAUTHENTICATED


async def test_a_lost_reply_is_asked_for_again_for_ten_seconds(here: Process) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    await refreshed(here, first)  # its reply was lost
    here.clock.advance(GRACE_S)
    second = await refreshed(here, first)
    assert await accepted(here.app, token=second.tokens.access_token)
    third = await refreshed(here, second)
    assert await accepted(here.app, token=third.tokens.access_token)
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


async def test_where_the_reply_was_used_it_was_not_lost(here: Process) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    second = await refreshed(here, first)
    third = await refreshed(here, second)
    await refused(here, first)
    assert line.ended == "logged_out"
    await refused(here, third)


@pytest.mark.parametrize("used_first", [0, 1])
async def test_of_two_answers_to_one_token_the_first_was_lost_or_is_a_copy(
    here: Process, used_first: int
) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    lost, kept = await refreshed(here, first), await refreshed(here, first)
    if used_first == 1:
        kept = await refreshed(here, kept)
        assert line.ended is None
    await refused(here, lost)
    assert line.ended == "logged_out"
    await refused(here, kept)


async def test_of_two_answers_at_once_one_is_good(here: Process) -> None:
    first = await here.person("alice")
    line = await here.line(first)
    answers = await asyncio.gather(*(refreshed(here, first) for _ in range(2)))
    outcomes = []
    for answer in answers:
        try:
            outcomes.append(await refreshed(here, answer))
        except Failure as e:
            assert e.error.code is Code.UNAUTHENTICATED
    assert len(outcomes) <= 1
    assert line.ended == "logged_out"
    for outcome in outcomes:
        await refused(here, outcome)


async def test_a_token_that_was_never_used_lives_for_its_days_and_no_longer(here: Process) -> None:
    days = here.app.settings.refresh_token_expire_days
    first, second = await here.person("alice"), await here.log_in("alice")
    here.clock.advance(days * 86_400 - 1)
    await refreshed(here, first)
    here.clock.advance(1)
    await refused(here, second)
