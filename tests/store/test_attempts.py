"""Log-ins that fail are counted: by network, by account within it, by account from new networks."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from protocol.auth import Login, Register
from protocol.errors import Code, Error, Failure
from protocol.message import ADDRESS_RATES, RATES, Limit
from server.auth import Accounts, Auth
from server.auth.attempts import ACCOUNT_RATE
from server.auth.passwords import THREADS
from server.auth.store import KEPT_NETWORKS, NETWORK_DAY_MS, NETWORK_LIFE_MS
from server.auth.turns import MAX_OF_NETWORK, HashKind
from tests.support.engines import rows
from tests.support.people import PASSWORD
from tests.support.processes import ADDRESS, Process

RATE, AT_ONCE = RATES[Limit.LOGIN]
_, FROM_ONE_ADDRESS = ADDRESS_RATES[Limit.LOGIN]
ACCOUNT_PER_S, ACCOUNT_AT_ONCE = ACCOUNT_RATE
WRONG = Error(Code.UNAUTHENTICATED, "the username or the password is wrong")
LIMITED = Error(
    Code.RATE_LIMITED,
    "rate limit exceeded: at most 0.1 a second, 10 at once",
    retry_after_ms=10_001,
)
HOME = "192.0.2.1"
LOGINS = ["alice", "ALICE", "alice@example.org", "nobody", "no@where.org"]
NETWORKS = "select network from login_networks order by last_at, network"


@pytest.fixture
async def alice(here: Process) -> str:
    """Somebody with a name and an address, who has logged in at home. Returns the address."""
    await here.app.service(Auth).register(Register("alice", PASSWORD, "alice@example.org"), HOME)
    return "alice@example.org"


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """Networks that nobody has been seen in."""
    return (f"elsewhere-{n}" for n in itertools.count())


async def tried(
    here: Process, login: str, password: str = "wrong", address: str = ADDRESS
) -> Error | None:
    """The error of a log-in; None where it goes through."""
    try:
        await here.app.service(Auth).log_in(Login(login, password), address)
    except Failure as e:
        return e.error
    return None


async def spend(here: Process, login: str, address: str = ADDRESS) -> None:
    """Fail as often as one may from a network."""
    for _ in range(AT_ONCE):
        assert await tried(here, login, address=address) == WRONG


async def spend_all(here: Process, login: str, elsewhere: Iterator[str]) -> None:
    """Fail as often as one may from networks that the account has not logged in from."""
    for _ in range(ACCOUNT_AT_ONCE):
        assert await tried(here, login, address=next(elsewhere)) == WRONG


# ---- by account and network


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("address", [ADDRESS, HOME])
async def test_after_ten_failures_from_a_network_it_is_one_in_ten_seconds(
    here: Process, alice: str, login: str, address: str
) -> None:
    """Whether there is such a person or not, and has been there or not, to the word."""
    await spend(here, login, address)
    for other_case in (login, login.upper(), login.lower()):
        assert await tried(here, other_case, address=address) == LIMITED
        assert await tried(here, other_case, PASSWORD, address) == LIMITED
    here.clock.advance(10)
    assert await tried(here, login, address=address) == WRONG
    assert await tried(here, login, address=address) == LIMITED


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
    assert await tried(here, "alice", PASSWORD) == LIMITED


async def test_no_crowd_gets_past_the_count(here: Process, alice: str) -> None:
    found = await asyncio.gather(*(tried(here, "alice") for _ in range(3 * AT_ONCE)))
    assert found.count(WRONG) == AT_ONCE
    found = await asyncio.gather(
        *(tried(here, "alice", address=f"a{n}") for n in range(ACCOUNT_AT_ONCE))
    )
    assert found.count(WRONG) == ACCOUNT_AT_ONCE - AT_ONCE


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


# ---- by account, from new networks


@pytest.mark.parametrize("login", ["alice", "alice@example.org"])
async def test_an_attacker_slows_down_only_himself(
    here: Process, alice: str, elsewhere: Iterator[str], login: str
) -> None:
    """Five wrong passwords a second for a quarter of an hour: those who know it come in from home,
    and from a network that they were never in."""
    refused = 0
    for second in range(15 * 60):
        for _ in range(5):
            refused += await tried(here, login, address="attacker") != WRONG
        here.clock.advance(1)
        if second % 30 == 0:
            for name in ("alice", alice):
                assert await tried(here, name, PASSWORD, HOME) is None
                assert await tried(here, name, PASSWORD, next(elsewhere)) is None
    assert refused >= 5 * 15 * 60 - (AT_ONCE + RATE * 15 * 60) - 1


async def test_guessing_from_many_networks_is_bounded_and_keeps_nobody_from_home(
    here: Process, alice: str, elsewhere: Iterator[str]
) -> None:
    """Whatever the number of networks, and under both names together. Counted are the passwords
    that would have been accepted, had they been right."""
    users = here.app.service(Auth)._attempts.users
    limited = users.take
    looked_at = 0

    def take(*given: Any) -> float:
        nonlocal looked_at
        wait_s = limited(*given)
        looked_at += not wait_s
        return wait_s

    users.take = take  # type: ignore[method-assign]
    for second in range(600):
        for name in ("alice", alice):
            await tried(here, name, address=next(elsewhere))
        here.clock.advance(1)
        if second % 50 == 0:
            assert await tried(here, "alice", PASSWORD, HOME) is None
            assert await tried(here, alice, PASSWORD, HOME) is None
    assert ACCOUNT_AT_ONCE < looked_at <= ACCOUNT_AT_ONCE + ACCOUNT_PER_S * 600 + 1


@pytest.mark.parametrize("login", LOGINS)
async def test_beyond_that_new_networks_hear_so_whether_there_is_such_a_person_or_not(
    here: Process, alice: str, elsewhere: Iterator[str], login: str
) -> None:
    await spend_all(here, login, elsewhere)
    limited = Error(
        Code.RATE_LIMITED,
        "rate limit exceeded: at most 0.2 a second, 50 at once per account",
        retry_after_ms=5001,
    )
    assert await tried(here, login, address=next(elsewhere)) == limited
    assert await tried(here, login, PASSWORD, next(elsewhere)) == limited
    here.clock.advance(5)
    assert await tried(here, login, address=next(elsewhere)) == WRONG
    assert await tried(here, login, PASSWORD, next(elsewhere)) == limited


async def test_who_fails_does_not_learn_where_a_person_has_logged_in(
    here: Process, alice: str, elsewhere: Iterator[str]
) -> None:
    """Neither from an answer nor from how many there are: home sounds like any other network, and
    failures there are counted as visibly."""
    for login in ("alice", "nobody"):
        found = [await tried(here, login, address=HOME) for _ in range(AT_ONCE)]
        found += [await tried(here, login, address=next(elsewhere)) for _ in range(45)]
        here.clock.advance(3 * 86_400)
        found += [await tried(here, login, address=next(elsewhere)) for _ in range(60)]
        found += [await tried(here, login, address=HOME) for _ in range(AT_ONCE + 2)]
        here.clock.advance(3 * 86_400)
        if login == "alice":
            expected = found
    assert found == expected


async def test_failures_at_home_leave_the_account_to_new_networks(
    here: Process, alice: str, elsewhere: Iterator[str]
) -> None:
    for _ in range(60):
        await tried(here, "alice", address=HOME)
        here.clock.advance(10)
    assert await tried(here, "alice", PASSWORD, next(elsewhere)) is None


# ---- the networks that are known


async def test_a_network_is_known_from_registering_or_logging_in_there(
    here: Process, alice: str, elsewhere: Iterator[str]
) -> None:
    assert await tried(here, "alice", PASSWORD, ADDRESS) is None
    assert await tried(here, "alice", address="failed") == WRONG
    await spend_all(here, alice, elsewhere)
    found = [await tried(here, "alice", PASSWORD, network) for network in (HOME, ADDRESS, "failed")]
    assert found == [None, None, WRONG]


async def test_a_network_is_written_once_a_day(here: Process, alice: str) -> None:
    writes = []
    queue = here.app.database.writer.queue

    def watched(work: Any, *given: Any) -> None:
        writes.append(sum("network" in change.statement.name for change in work.changes))
        queue(work, *given)

    here.app.database.writer.queue = watched  # type: ignore[method-assign]
    for ms in (0, NETWORK_DAY_MS - 1, 1, 1, -2 * NETWORK_DAY_MS):
        here.clock._now_ms += ms  # it may be set back
        assert await tried(here, "alice", PASSWORD, HOME) is None
    assert [n > 0 for n in writes] == [False, False, True, False, True]


async def test_the_newest_networks_are_kept(here: Process, alice: str) -> None:
    database = here.app.settings.database
    for n in range(KEPT_NETWORKS + 3):
        here.clock.advance(1)
        assert await tried(here, "alice", PASSWORD, f"n{n}") is None
    here.clock.advance(1)
    await here.app.service(Auth).register(Register("bob", PASSWORD), "bob's")
    found = [row[0] for row in await rows(database, NETWORKS)]
    assert found == [*(f"n{n}" for n in range(3, KEPT_NETWORKS + 3)), "bob's"]
    await here.app.service(Accounts).delete("alice")
    assert await rows(database, NETWORKS) == [("bob's",)]


async def test_networks_that_are_long_unused_are_forgotten(here: Process, alice: str) -> None:
    database = here.app.settings.database
    here.clock.advance(NETWORK_LIFE_MS / 1000 - 1)
    await here.app.service(Auth).register(Register("bob", PASSWORD), "bob's")
    await here.app.prune()
    assert await rows(database, NETWORKS) == [(HOME,), ("bob's",)]
    here.clock.advance(1)
    await here.app.prune()
    assert await rows(database, NETWORKS) == [("bob's",)]


async def test_where_the_address_is_not_known_no_network_is(here: Process, alice: str) -> None:
    await here.app.service(Auth).register(Register("bob", PASSWORD), "")
    assert await tried(here, "alice", PASSWORD, "") is None
    assert await rows(here.app.settings.database, NETWORKS) == [(HOME,)]


# ---- by network, and what does not count


async def test_an_address_that_tries_many_names_is_stopped(here: Process, alice: str) -> None:
    for n in range(FROM_ONE_ADDRESS):
        assert await tried(here, f"name-{n}", address="here") == WRONG
    for login in ("alice", "another"):
        found = await tried(here, login, PASSWORD, "here")
        assert found == Error(
            Code.RATE_LIMITED,
            "rate limit exceeded: at most 1 a second, 30 at once per address",
            retry_after_ms=1001,
        )
    assert await tried(here, "alice", PASSWORD, "elsewhere") is None
    # To be refused for the address cost the account nothing.
    for _ in range(AT_ONCE):
        await tried(here, "another", address="here")
    await spend(here, "another")
    here.clock.advance(1)
    assert await tried(here, "another", address="here") == WRONG


async def test_no_password_is_looked_at_once_it_is_too_much(here: Process, alice: str) -> None:
    looked_at = 0
    matches = here.app.service(Auth)._passwords.matches

    async def counted(*given: Any) -> bool:
        nonlocal looked_at
        looked_at += 1
        return await matches(*given)

    here.app.service(Auth)._passwords.matches = counted  # type: ignore[method-assign]
    for login in ("alice", "nobody"):
        looked_at = 0
        for _ in range(2 * AT_ONCE):
            await tried(here, login)
        assert looked_at == AT_ONCE


async def test_what_was_not_looked_at_does_not_count(here: Process, alice: str) -> None:
    """As it is busy, or as the client left while it waited."""
    passwords = here.app.service(Auth)._passwords
    many = THREADS + MAX_OF_NETWORK[HashKind.LOG_IN]
    for _ in range(THREADS):
        await passwords._turns.take("held", HashKind.LOG_IN)
    waiting = [asyncio.create_task(passwords.hash(PASSWORD, ADDRESS)) for _ in range(many)]
    await asyncio.sleep(0)
    for _ in range(3 * AT_ONCE):
        found = await tried(here, "alice")
        assert found is not None
        assert found.code is Code.BUSY
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    turns, take = passwords._turns, passwords._turns.take
    waits = asyncio.Event()

    async def taken(*given: Any) -> None:
        waits.set()
        await take(*given)

    turns.take = taken  # type: ignore[method-assign]
    for _ in range(3 * AT_ONCE):
        waits.clear()
        leaving = asyncio.create_task(tried(here, "alice"))
        await waits.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    for _ in range(THREADS):
        turns.leave()
    await spend(here, "alice")


async def test_a_password_that_is_looked_at_counts_though_the_client_leaves(
    here: Process, alice: str
) -> None:
    """Or nobody would count what is guessed in vain."""
    passwords = here.app.service(Auth)._passwords
    check = passwords._check
    loop = asyncio.get_running_loop()
    for _ in range(AT_ONCE):
        begun = asyncio.Event()

        def checked(*given: bytes, begun: asyncio.Event = begun) -> bool:
            loop.call_soon_threadsafe(begun.set)
            return check(*given)

        passwords._check = checked  # type: ignore[method-assign]
        leaving = asyncio.create_task(tried(here, "alice"))
        await begun.wait()
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
    assert await tried(here, "alice", PASSWORD) == LIMITED
