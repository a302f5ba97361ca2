"""Rights that change while somebody comes in, renews or logs in: nobody slips past."""

import asyncio
import random
import sqlite3
from collections.abc import Awaitable, Callable

import pytest

from protocol.auth import LoggedIn
from protocol.errors import Code, Failure
from protocol.permissions import Role
from server.auth import Accounts, Auth
from server.database import Work
from server.users import Users
from tests.support.lines import Line
from tests.support.people import PASSWORD
from tests.support.processes import Look, Process

Change = Callable[[Process, LoggedIn], Awaitable[None]]
CHANGES: dict[str, Change] = {
    "logged_out": lambda process, who: process.log_out(who),
    "disabled": lambda process, who: process.app.service(Accounts).disable(who.user.username),
    "rights_changed": lambda p, who: p.app.service(Accounts).set_role(
        who.user.username, Role.AGENT
    ),
}


@pytest.mark.parametrize("reason", CHANGES)
async def test_rights_that_change_while_somebody_comes_in_are_noticed(
    here: Process, reason: str
) -> None:
    """Their rights were read before the change, and they are there after it was acted on."""
    logged_in = await here.person("alice")
    late = Line(await here.app.gateway.authenticate({"token": logged_in.tokens.access_token}))
    await CHANGES[reason](here, logged_in)
    await here.app.gateway.opened(late)
    assert late.ended == reason


@pytest.mark.parametrize("reason", CHANGES)
async def test_it_is_the_same_where_another_process_changed_them(
    here: Process, there: Process, listening: Look, reason: str
) -> None:
    logged_in = await here.person("alice")
    token = {"token": logged_in.tokens.access_token}
    before = Line(await here.app.gateway.authenticate(token))
    after = Line(await here.app.gateway.authenticate(token))
    await CHANGES[reason](there, logged_in)
    await here.app.gateway.opened(before)
    assert before.ended is None
    await listening()
    await here.app.gateway.opened(after)
    assert (before.ended, after.ended) == (reason, reason)


async def test_a_token_whose_rights_change_while_it_is_read_renews_nothing(here: Process) -> None:
    first, second, third = (
        await here.person("alice"),
        await here.log_in("alice"),
        await here.log_in("alice"),
    )
    opened_line = await here.line(first)
    session = opened_line.identity.session
    answer = await opened_line.call(here.app, "auth.renew", token=second.tokens.access_token)
    assert answer["ok"]
    assert opened_line.identity.session != session
    reads = here.app.gateway._authenticate

    async def read_and_then_log_out(given: object) -> object:
        identity = await reads(given)
        await here.log_out(third)
        return identity

    here.app.gateway._authenticate = read_and_then_log_out  # type: ignore[assignment]
    before = opened_line.identity
    answer = await opened_line.call(here.app, "auth.renew", token=third.tokens.access_token)
    assert answer["error"] == {
        "code": "unauthenticated",
        "message": "the access token is not accepted",
    }
    assert (opened_line.identity, opened_line.ended) == (before, None)


async def test_what_was_closed_meanwhile_is_not_renewed(here: Process) -> None:
    first, second = await here.person("alice"), await here.log_in("alice")
    closing = await here.line(first)
    reads = here.app.gateway._authenticate

    async def read_and_then_log_out(given: object) -> object:
        identity = await reads(given)
        await here.log_out(first)
        return identity

    here.app.gateway._authenticate = read_and_then_log_out  # type: ignore[assignment]
    answer = await closing.call(here.app, "auth.renew", token=second.tokens.access_token)
    assert answer["error"]["code"] == "unauthenticated"
    assert closing.ended == "logged_out"


async def test_a_renewed_connection_hears_of_its_new_log_in_only(
    here: Process, there: Process, listening: Look
) -> None:
    first, second = await here.person("alice"), await here.log_in("alice")
    renewed = await here.line(first)
    assert (await renewed.call(here.app, "auth.renew", token=second.tokens.access_token))["ok"]
    await there.log_out(first)
    await listening()
    assert renewed.ended is None
    await there.log_out(second)
    await listening()
    assert renewed.ended == "logged_out"


async def test_a_token_that_allows_something_else_renews_nothing(
    here: Process, there: Process, listening: Look
) -> None:
    """Whoever renews before this process hears of it would stay in the rooms of the old role."""
    await here.person("boss", Role.ADMIN)
    admin = await here.person("alice", Role.ADMIN)
    inside = await here.line(admin)
    room = f"user:{admin.user.id}"
    assert (await inside.call(here.app, "rooms.join", room=room))["ok"]
    await there.app.service(Accounts).set_role("alice", Role.PLAYER)
    player = await there.app.service(Auth).refresh(admin.tokens.refresh_token)
    answer = await inside.call(here.app, "auth.renew", token=player.tokens.access_token)
    assert answer["error"]["code"] == "unauthenticated"
    await listening()
    assert inside.ended == "rights_changed"
    assert (await here.line(player)).identity.role is Role.PLAYER


async def test_whose_password_is_reset_while_the_old_one_is_checked_is_not_logged_in(
    here: Process,
) -> None:
    await here.person("alice")
    matches = here.app.service(Auth)._passwords.matches

    async def match_and_then_reset(*given: str | None) -> bool:
        right = await matches(*given)  # type: ignore[arg-type]
        here.app.service(Auth)._passwords.matches = matches  # type: ignore[method-assign]
        await here.app.service(Accounts).set_password("alice", "another password")
        return right

    here.app.service(Auth)._passwords.matches = match_and_then_reset  # type: ignore[method-assign,assignment]
    with pytest.raises(Failure) as caught:
        await here.log_in("alice")
    assert caught.value.error.code is Code.UNAUTHENTICATED
    with sqlite3.connect(here.app.settings.data_dir / "warroom.db") as db:
        good = db.execute("select count(*) from refresh_tokens where revoked = 0").fetchone()
    db.close()
    assert good == (0,)


async def test_whose_hash_is_renewed_while_the_password_is_checked_is_logged_in(
    here: Process,
) -> None:
    """Two log-ins at once, of which one stores the hash anew: the password is right for both."""
    who = await here.person("alice")
    users = here.app.service(Users)
    matches = here.app.service(Auth)._passwords.matches

    async def match_and_then_rehash(*given: str | None) -> bool:
        right = await matches(*given)  # type: ignore[arg-type]
        here.app.service(Auth)._passwords.matches = matches  # type: ignore[method-assign]
        seen = await users.by_id(who.user.id)
        assert seen is not None
        work = Work("")
        users.rehash(work, seen, await here.app.service(Auth)._passwords.hash(PASSWORD))
        await here.app.database.writer.submit(work, b"", None)
        return right

    here.app.service(Auth)._passwords.matches = match_and_then_rehash  # type: ignore[method-assign,assignment]
    assert (await here.log_in("alice")).user == who.user


async def test_who_is_disabled_while_the_password_is_checked_is_not_logged_in(
    here: Process,
) -> None:
    await here.person("alice")
    matches = here.app.service(Auth)._passwords.matches

    async def match_and_then_disable(*given: str | None) -> bool:
        right = await matches(*given)  # type: ignore[arg-type]
        await here.app.service(Accounts).disable("alice")
        return right

    here.app.service(Auth)._passwords.matches = match_and_then_disable  # type: ignore[method-assign,assignment]
    with pytest.raises(Failure) as caught:
        await here.log_in("alice")
    assert caught.value.error.code is Code.UNAUTHENTICATED
    await here.app.service(Accounts).enable("alice")
    with sqlite3.connect(here.app.settings.data_dir / "warroom.db") as db:
        good = db.execute("select count(*) from refresh_tokens where revoked = 0").fetchone()
    db.close()
    assert good == (0,)


async def test_in_a_crowd_whoever_is_still_in_has_the_rights_that_are_stored(
    here: Process, there: Process, listening: Look
) -> None:
    """People come in, renew and come back while two processes change the rights of most."""
    rolls = random.Random(7)
    people = [await here.person(f"person-{n}") for n in range(12)]
    lines: list[Line] = []

    async def come_and_go(who: LoggedIn) -> None:
        for _ in range(15):
            try:
                identity = await here.app.gateway.authenticate({"token": who.tokens.access_token})
                for _ in range(rolls.randrange(4)):
                    await asyncio.sleep(0)
                coming = Line(identity)
                lines.append(coming)
                await here.app.gateway.opened(coming)
                who = await here.app.service(Auth).refresh(who.tokens.refresh_token)
                await coming.call(here.app, "auth.renew", token=who.tokens.access_token)
            except (Failure, ConnectionError):
                try:
                    who = await here.log_in(who.user.username)
                except Failure:
                    await asyncio.sleep(0)

    async def change(who: LoggedIn) -> None:
        name = who.user.username
        for _ in range(8):
            where = rolls.choice((here, there))
            match rolls.randrange(4):
                case 0:
                    await where.app.service(Accounts).set_role(name, rolls.choice(list(Role)[:3]))
                case 1:
                    await where.app.service(Accounts).disable(name)
                case 2:
                    await where.app.service(Accounts).enable(name)
                case _:
                    await where.log_out(who)

    await asyncio.gather(*map(come_and_go, people), *map(change, people[2:]))
    await listening()
    inside = [line for line in lines if not line.closed]
    for there_still in inside:
        identity = there_still.identity
        assert identity.session is not None
        assert identity.role is not None
        alive = await here.app.service(Auth)._logins.alive(
            identity.session, identity.id, identity.role
        )
        assert alive is not None
    assert 0 < len(inside) < len(lines)
