"""No forged token is accepted: in the handshake, under an open connection, over REST."""

import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from protocol.auth import LoggedIn, Login
from protocol.client import log_in, log_out
from server.auth.tokens import MAX_CHARACTERS
from tests.support.forgeries import FAMILIES, SECRET, Forge, Victim, genuine
from tests.support.people import PASSWORD, Person, handshake, registered, service_key
from tests.support.server import Server
from tests.support.wire import Transport

REFUSED = {"code": "unauthenticated", "message": "the access token is not accepted"}
FORGERIES = {
    f"{family}: {name}": forge
    for family, forged in FAMILIES.items()
    for name, forge in forged.items()
}
NOT_TEXT = {
    "a place for bytes": lambda _: {"_placeholder": True, "num": 0},
    "a number": lambda _: 7,
    "true": lambda _: True,
    "null": lambda _: None,
    "a list": lambda victim: [victim.token],
    "an object": lambda victim: {"token": victim.token},
    "nothing": lambda _: "",
}


def claims_of(logged_in: LoggedIn) -> dict[str, Any]:
    """What a token says."""
    part = logged_in.tokens.access_token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def forgeable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose secret is known here."""
    async with Server(tmp_path_factory.mktemp("forgeable"), SECRET_KEY=SECRET) as started:
        yield started


class Others(tuple[str, dict[str, Any], str]):
    """The token of somebody who is disabled, the claims of a stranger, a service key."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def others(forgeable: Server) -> Others:
    disabled, stranger = [await registered(forgeable.url) for _ in range(2)]
    await forgeable.command("user", "disable", disabled.user.username)
    key = await service_key(forgeable, "read", "operate")
    return Others((disabled.tokens.access_token, claims_of(stranger), key))


@pytest.fixture
async def person(forgeable: Server, transport: Transport) -> AsyncIterator[Person]:
    """Somebody who is connected: each test brings its own, as to renew is limited."""
    connected = await Person(forgeable.url, await registered(forgeable.url)).connect()
    yield connected
    await connected.close()


@pytest.fixture
async def victim(forgeable: Server, others: Others, person: Person) -> Victim:
    """The one whose token is imitated."""
    assert person.logged_in is not None
    again = await log_in(forgeable.url, Login(person.logged_in.user.username, PASSWORD))
    await log_out(forgeable.url, again.tokens.refresh_token)
    disabled, stranger, key = others
    return Victim(
        token=person.logged_in.tokens.access_token,
        claims=claims_of(person.logged_in),
        refresh_token=person.logged_in.tokens.refresh_token,
        revoked=again.tokens.access_token,
        disabled=disabled,
        stranger=stranger,
        service_key=key,
    )


async def shown(server: Server, **auth: Any) -> Any:
    """The error of a handshake; None where it goes through."""
    return (await handshake(server.url, Person.transport, auth)).get("error")


async def renewal(person: Person, token: Any) -> Any:
    """The error of a renewal; None where it goes through."""
    return (await person.call("auth.renew", token=token)).get("error")


async def bearer(server: Server, token: str) -> tuple[int, Any]:
    """The status and the error of a request; None where it goes through."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{server.url}/api/auth/me", headers={"authorization": f"Bearer {token}"}
        ) as answer,
    ):
        return answer.status, (await answer.json()).get("error")


def in_a_header(token: str) -> bool:
    """Whether a header can carry it, and it alone: space around it belongs to the header."""
    return token.isascii() and token.isprintable() and token == token.rstrip()


async def unchanged(person: Person) -> bool:
    """Whether a connection is open and is who it was."""
    view = await person.ok("players.get")
    return view["player"]["player_id"] == person.id and not person.events and person.is_open


def test_there_are_many() -> None:
    assert len(FORGERIES) >= 54
    assert all(len(forged) >= 10 for forged in FAMILIES.values())


async def test_no_two_are_the_same_and_none_is_the_right_one(victim: Victim) -> None:
    made = [str(forge(victim)) for forge in FORGERIES.values()]
    assert len(set(made)) == len(made)
    assert victim.token not in made


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
async def test_a_forged_token_is_refused_wherever_it_is_shown(
    forgeable: Server, person: Person, victim: Victim, forge: Forge
) -> None:
    # Made in the same way with nothing wrong, it is the very token that the server has made.
    assert genuine(victim) == victim.token
    assert await bearer(forgeable, genuine(victim)) == (200, None)
    forged = forge(victim)
    assert await shown(forgeable, token=forged) == REFUSED
    error = await renewal(person, forged)
    if len(forged) > MAX_CHARACTERS:
        assert (error["code"], error["field"]) == ("invalid", "token")
    else:
        assert error == REFUSED
    if in_a_header(forged):
        assert await bearer(forgeable, forged) == (401, REFUSED)
    assert await unchanged(person)


@pytest.mark.parametrize("make", NOT_TEXT.values(), ids=NOT_TEXT)
async def test_what_is_no_text_is_no_token(
    forgeable: Server, person: Person, victim: Victim, make: Forge
) -> None:
    given = make(victim)
    assert await shown(forgeable, token=given) == REFUSED
    assert (await renewal(person, given))["code"] == "invalid"
    assert await unchanged(person)


@pytest.mark.socketio
async def test_bytes_are_no_token(person: Person, victim: Victim) -> None:
    assert (await renewal(person, victim.token.encode()))["code"] == "invalid"
    assert await unchanged(person)


async def test_a_token_is_no_service_key(forgeable: Server, victim: Victim) -> None:
    assert await shown(forgeable, service_key=victim.service_key) is None
    for given in (victim.token, victim.refresh_token, victim.service_key + "x", "", None, [], 7):
        found = await shown(forgeable, service_key=given)
        assert found == {"code": "unauthenticated", "message": "the service key is not accepted"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"exp": 3600},
        {"exp": 86_000},
        {"iat": -10, "exp": 10},
        {"iat": 3, "exp": 903},  # made by a machine whose clock is a little ahead
    ],
    ids=str,
)
async def test_a_right_one_is_accepted_wherever_it_is_shown(
    forgeable: Server, person: Person, victim: Victim, changes: dict[str, int]
) -> None:
    now = int(time.time())
    token = genuine(victim, **{claim: now + offset for claim, offset in changes.items()})
    assert await shown(forgeable, token=token) is None
    assert await bearer(forgeable, token) == (200, None)
    answer = await person.ok("auth.renew", token=token)
    left = changes.get("exp", 900)
    assert left - 60 < answer["expires_in_s"] <= left
    assert await unchanged(person)


async def test_nothing_of_it_was_a_fault_of_the_server(forgeable: Server) -> None:
    """Last of this file: what was written to the log meanwhile."""
    log = forgeable.log.read_text()
    for fault in ("Traceback", "route_failed", "handler_failed", "handshake_failed"):
        assert fault not in log
    assert SECRET not in log
