"""What an operator may do to people, and what not."""

import asyncio

import pytest

from protocol.errors import Failure
from protocol.permissions import Role
from tests.support.processes import Process


@pytest.mark.parametrize("change", ["disable", "demote"])
async def test_the_last_admin_stays(here: Process, change: str) -> None:
    await here.person("boss", Role.ADMIN)
    await here.person("away", Role.ADMIN)

    async def take(name: str) -> None:
        if change == "disable":
            await here.app.accounts.disable(name)
        else:
            await here.app.accounts.set_role(name, Role.USER)

    await here.app.accounts.disable("away")
    with pytest.raises(Failure, match="boss is the last admin"):
        await take("boss")
    await here.app.accounts.set_role("away", Role.USER)  # who is kept out administers nothing
    await here.person("second", Role.ADMIN)
    await take("boss")
    with pytest.raises(Failure, match="second is the last admin"):
        await take("second")


async def test_two_admins_who_are_taken_at_once_are_not_both(here: Process, there: Process) -> None:
    await here.person("one", Role.ADMIN)
    await here.person("other", Role.ADMIN)
    outcomes = await asyncio.gather(
        here.app.accounts.disable("one"),
        there.app.accounts.set_role("other", Role.USER),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes].count(Failure) == 1


@pytest.mark.parametrize("call", ["set_role", "disable", "enable", "revoke_service_key"])
async def test_who_is_not_there_is_named(here: Process, call: str) -> None:
    given = ("nobody-here", Role.USER) if call == "set_role" else ("nobody-here",)
    with pytest.raises(ValueError, match="named nobody-here"):
        await getattr(here.app.accounts, call)(*given)
