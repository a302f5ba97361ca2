"""Log-ins that fail are counted, by account and by address, before a password is looked at."""

import asyncio
from typing import Any

import pytest

from protocol.auth import Login, Register
from protocol.errors import Code, Error, Failure
from protocol.message import ADDRESS_RATES, RATES, Limit
from server.auth.passwords import MAX_WAITING
from tests.support.people import PASSWORD
from tests.support.processes import ADDRESS, Process

RATE, AT_ONCE = RATES[Limit.LOGIN]
_, FROM_ONE_ADDRESS = ADDRESS_RATES[Limit.LOGIN]
WRONG = Error(Code.UNAUTHENTICATED, "the username or the password is wrong")


@pytest.fixture
async def alice(here: Process) -> str:
    """Somebody with a name and an address. Returns the address."""
    await here.app.auth.register(Register("alice", PASSWORD, "alice@example.org"))
    return "alice@example.org"


async def tried(
    here: Process, login: str, password: str = "wrong", address: str = ADDRESS
) -> Error | None:
    """The error of a log-in; None where it goes through."""
    try:
        await here.app.auth.log_in(Login(login, password), address)
    except Failure as e:
        return e.error
    return None


async def spend(here: Process, login: str) -> None:
    """Fail as often as one may."""
    for n in range(AT_ONCE):
        assert await tried(here, login, address=f"spent-{login}-{n}") == WRONG


@pytest.mark.parametrize("login", ["alice", "ALICE", "alice@example.org", "nobody", "no@where.org"])
async def test_after_ten_failures_it_is_one_in_ten_seconds(
    here: Process, alice: str, login: str
) -> None:
    """Whether there is such a person or not, to the word."""
    await spend(here, login)
    limited = Error(Code.RATE_LIMITED, "at most 0.1 a second, 10 at once", retry_after_ms=10_001)
    for other_case in (login, login.upper(), login.lower()):
        assert await tried(here, other_case) == limited
        assert await tried(here, other_case, PASSWORD) == limited
    here.clock.advance(10)
    assert await tried(here, login) == WRONG
    assert await tried(here, login) == limited


async def test_who_knows_the_password_is_never_counted(here: Process, alice: str) -> None:
    for _ in range(3 * AT_ONCE):
        assert await tried(here, "alice", PASSWORD) is None
        assert await tried(here, alice, PASSWORD) is None
    await spend(here, "alice")


async def test_a_success_gives_back_its_own_token_and_no_other(here: Process, alice: str) -> None:
    for _ in range(AT_ONCE - 1):
        assert await tried(here, "alice") == WRONG
    assert await tried(here, "alice", PASSWORD) is None
    assert await tried(here, "alice") == WRONG
    found = await tried(here, "alice", PASSWORD)
    assert found is not None
    assert found.code is Code.RATE_LIMITED


async def test_no_crowd_gets_past_the_count(here: Process, alice: str) -> None:
    tries = (tried(here, "alice", address=f"a{n}") for n in range(5 * AT_ONCE))
    found = await asyncio.gather(*tries)
    assert found.count(WRONG) == AT_ONCE


async def test_a_person_is_one_account_under_both_names(here: Process, alice: str) -> None:
    """And nobody sees that they are: the answer is that to a name that nobody has."""
    await spend(here, "alice")
    assert await tried(here, alice) == await tried(here, "no@where.org") == WRONG
    assert await tried(here, alice, PASSWORD) == WRONG
    here.clock.advance(10)
    assert await tried(here, alice, PASSWORD) is None


async def test_one_person_does_not_use_up_another(here: Process, alice: str) -> None:
    await here.person("bob")
    await spend(here, "alice")
    assert await tried(here, "bob", PASSWORD) is None


async def test_an_address_that_tries_many_names_is_stopped(here: Process, alice: str) -> None:
    for n in range(FROM_ONE_ADDRESS):
        assert await tried(here, f"name-{n}", address="here") == WRONG
    for login in ("alice", "another"):
        found = await tried(here, login, PASSWORD, "here")
        assert found == Error(
            Code.RATE_LIMITED,
            "at most 1 a second, 30 at once from one address",
            retry_after_ms=1001,
        )
    assert await tried(here, "alice", PASSWORD, "elsewhere") is None
    # To be refused for the address cost the account nothing.
    for _ in range(AT_ONCE):
        await tried(here, "another", address="here")
    await spend(here, "another")


async def test_no_password_is_looked_at_once_it_is_too_much(here: Process, alice: str) -> None:
    looked_at = 0
    matches = here.app.auth._passwords.matches

    async def counted(*given: Any) -> bool:
        nonlocal looked_at
        looked_at += 1
        return await matches(*given)

    here.app.auth._passwords.matches = counted  # type: ignore[method-assign]
    for login in ("alice", "nobody"):
        looked_at = 0
        for _ in range(2 * AT_ONCE):
            await tried(here, login)
        assert looked_at == AT_ONCE


async def test_what_was_not_looked_at_does_not_count(here: Process, alice: str) -> None:
    passwords = here.app.auth._passwords
    many = [asyncio.get_running_loop().create_future() for _ in range(MAX_WAITING)]
    passwords._waiting.update(many)
    for _ in range(3 * AT_ONCE):
        found = await tried(here, "alice")
        assert found is not None
        assert found.code is Code.BUSY
    passwords._waiting.difference_update(many)
    await spend(here, "alice")
