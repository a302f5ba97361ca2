"""What an operator may do to people, and what not."""

import asyncio
from typing import Any

import pytest

from protocol.auth import Login
from protocol.errors import Code, Failure
from protocol.permissions import Role
from server.auth import Accounts, Auth
from server.players import Players
from tests.support.people import PASSWORD
from tests.support.processes import Process


@pytest.mark.parametrize("change", ["disable", "demote"])
async def test_the_last_admin_stays(here: Process, change: str) -> None:
    await here.person("boss", Role.ADMIN)
    await here.person("away", Role.ADMIN)

    async def take(name: str) -> None:
        if change == "disable":
            await here.app.service(Accounts).disable(name)
        else:
            await here.app.service(Accounts).set_role(name, Role.USER)

    await here.app.service(Accounts).disable("away")
    with pytest.raises(Failure, match="boss is the last admin"):
        await take("boss")
    # A disabled user administers nothing.
    await here.app.service(Accounts).set_role("away", Role.USER)
    await here.person("second", Role.ADMIN)
    await take("boss")
    with pytest.raises(Failure, match="second is the last admin"):
        await take("second")


async def test_two_admins_who_are_taken_at_once_are_not_both(here: Process, there: Process) -> None:
    await here.person("one", Role.ADMIN)
    await here.person("other", Role.ADMIN)
    outcomes = await asyncio.gather(
        here.app.service(Accounts).disable("one"),
        there.app.service(Accounts).set_role("other", Role.USER),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(Failure) == 1


@pytest.mark.parametrize(
    "call", ["set_role", "set_password", "disable", "enable", "revoke_service_key"]
)
async def test_who_is_not_there_is_named(here: Process, call: str) -> None:
    more = {"set_role": (Role.USER,), "set_password": (PASSWORD,)}.get(call, ())
    with pytest.raises(ValueError, match="named nobody-here"):
        await getattr(here.app.service(Accounts), call)("nobody-here", *more)


async def test_who_is_added_logs_in_and_is_a_player(here: Process) -> None:
    added = await here.app.service(Accounts).add("Ada", PASSWORD, Role.USER, "Ada@example.org")
    logged_in = await here.log_in("ada@example.org")
    assert (logged_in.user.id, logged_in.user.role) == (added.user_id, Role.USER)
    assert (await here.app.service(Players).get(added.user_id)).pending.name == "Ada"


@pytest.mark.parametrize(
    ("name", "email", "reason"),
    [("ADA", None, "username_taken"), ("bob", "ADA@example.org", "email_taken")],
)
async def test_whose_name_is_taken_is_not_added(
    here: Process, name: str, email: str | None, reason: str
) -> None:
    await here.app.service(Accounts).add("ada", PASSWORD, Role.USER, "ada@example.org")
    with pytest.raises(Failure) as caught:
        await here.app.service(Accounts).add(name, PASSWORD, Role.USER, email)
    assert (caught.value.error.code, caught.value.error.reason) == (Code.CONFLICT, reason)


async def test_another_password_ends_what_the_old_one_opened(here: Process) -> None:
    logged_in = await here.person("alice")
    before = await here.line(logged_in)
    await here.app.service(Accounts).set_password("ALICE", "another horse")
    assert before.ended == "logged_out"
    with pytest.raises(Failure):
        await here.log_in("alice")
    with pytest.raises(Failure):
        await here.app.service(Auth).refresh(logged_in.tokens.refresh_token)
    login = Login("alice", "another horse")
    assert (await here.app.service(Auth).log_in(login, "::1")).user.username == "alice"


async def test_another_password_must_be_one(here: Process) -> None:
    logged_in = await here.person("alice")
    with pytest.raises(Failure, match="72 bytes"):
        await here.app.service(Accounts).set_password("alice", "x" * 73)
    assert (await here.line(logged_in)).ended is None


async def test_people_are_listed_page_by_page(here: Process) -> None:
    for name, email in (("Zoe", None), ("a_b", "x%y@example.org"), ("axb", None)):
        await here.app.service(Accounts).add(name, PASSWORD, Role.VIEWER, email)
    page = here.app.service(Accounts).page

    async def names(*given: Any, **more: Any) -> list[str]:
        return [user.username for user in (await page(*given, **more)).items]

    assert await names() == ["a_b", "axb", "Zoe"]
    first = await page(limit=2)
    assert [user.username for user in first.items] == ["a_b", "axb"]
    assert await names(limit=2, cursor=first.next) == ["Zoe"]
    assert (await page(limit=3)).next is None
    assert await names("A_B") == await names("X%Y") == ["a_b"]  # no wildcards
    assert await names("z", Role.VIEWER) == ["Zoe"]
    assert await names("z", Role.ADMIN) == []
