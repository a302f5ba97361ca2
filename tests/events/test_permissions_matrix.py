"""Every command, query and room, asked for by every role, every scope, and by nobody."""

from collections.abc import AsyncIterator, Mapping
from itertools import cycle
from typing import Any, Self

import pytest
import pytest_asyncio

from protocol import permissions
from protocol.domains import load
from protocol.message import Spec
from protocol.rooms import KINDS
from tests.contracts import MESSAGES, ROOMS
from tests.contracts.contract import OWN_TOKEN, UNKNOWN
from tests.support.messages import GRANTED, SCOPES, calls, needs
from tests.support.people import registered
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.tables import contents
from tests.support.wire import Transport, Wire

load()

pytestmark = pytest.mark.asyncio(loop_scope="module")

TRANSPORTS: tuple[Transport, ...] = ("websocket", "plain")
"""Each case takes turns on both: to run it on each takes twice as long, and shows no more."""
NOBODY = "nobody"
IDENTITIES = [*GRANTED, NOBODY]
NO_DATA: list[Any] = [{}, {"__proto__": {"role": "admin"}}, [], None, 7, {"request_id": []}]
"""What is no message of any type, or of hardly any."""

NOT_LET_IN = {"forbidden", "unauthenticated", "internal"}


class Somebody:
    """A connection over each transport, and the access token of both ("" for a service)."""

    def __init__(self, connections: list[Wire], token: str = "") -> None:
        self.connections = connections
        self.token = token

    @classmethod
    async def connect(cls, server: Server, *, token: str = "", service_key: str = "") -> Self:
        """Log in; with neither, be nobody."""
        opening = (
            Wire.connect(server.url, transport, token=token, service_key=service_key)
            if token or service_key
            else Wire.open(server.url, transport)
            for transport in TRANSPORTS
        )
        return cls([await opened for opened in opening], token)

    def fill_in(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The example's data, of this caller."""
        return {k: self.token if v == OWN_TOKEN else v for k, v in data.items()}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def quiet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server on which nothing happens by itself: no battle is under way."""
    async with Server(tmp_path_factory.mktemp("matrix")) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybody(quiet: Server) -> AsyncIterator[dict[str, Somebody]]:
    """Somebody of each role, of each set of scopes, and nobody."""
    found = {NOBODY: await Somebody.connect(quiet)}
    async with beside(quiet) as office:
        for role in (r for r in GRANTED if r not in SCOPES):
            token = (await office.person(role)).tokens.access_token
            found[role] = await Somebody.connect(quiet, token=token)
        for name, scopes in SCOPES.items():
            key = await office.service(*scopes)
            found[name] = await Somebody.connect(quiet, service_key=key)
    yield found
    for somebody in found.values():
        for connection in somebody.connections:
            await connection.close()


def may(who: str, permission: str) -> bool:
    """Whether the table grants it."""
    return who != NOBODY and permission in GRANTED[who]


def cases(*, let_in: bool) -> list[Any]:
    """All pairs of a caller and a message that are let in, or all others."""
    return [
        pytest.param(who, spec, id=f"{who}-{spec.name}")
        for who in IDENTITIES
        for spec in calls()
        if spec.name in MESSAGES and may(who, MESSAGES[spec.name].permission) is let_in
    ]


async def test_the_tables_speak_of_all_that_there_is() -> None:
    for spec in calls():
        needs(spec)
    assert MESSAGES.keys() == {s.name for s in calls()}, "MESSAGES speaks of what is not there"
    assert ROOMS.keys() == KINDS.keys(), "a kind of room is new or gone: correct its contract"
    roles = {str(role) for role in permissions.Role}
    assert GRANTED.keys() - SCOPES.keys() == roles, "a role is new or gone: correct GRANTED"
    scopes = {scope for of in SCOPES.values() for scope in of}
    assert scopes == permissions.SCOPES, "a scope is new or gone: correct SCOPES"
    known = {permission for granted in GRANTED.values() for permission in granted}
    assert known == {str(p) for p in permissions.Permission}, "a permission that nobody has"


@pytest.mark.parametrize(("who", "spec"), cases(let_in=False))
async def test_who_may_not_is_forbidden_whatever_is_sent_and_nothing_changes(
    quiet: Server, everybody: dict[str, Somebody], who: str, spec: Spec
) -> None:
    wanted = needs(spec)
    caller = everybody[who]
    before = contents(quiet.data_dir)
    example = caller.fill_in(wanted.data)
    sent = (example, example, *NO_DATA)
    for data, connection in zip(sent, cycle(caller.connections), strict=False):
        answer = await connection.patiently(spec.name, data)
        if who == NOBODY:
            assert answer["error"] == {
                "code": "unauthenticated",
                "message": "not authenticated: log in first",
            }
        else:
            words = f"{spec.name} requires the permission {wanted.permission}"
            assert answer == {"ok": False, "error": {"code": "forbidden", "message": words}}
    assert contents(quiet.data_dir) == before


@pytest.mark.parametrize(("who", "spec"), cases(let_in=True))
async def test_who_may_is_let_in(everybody: dict[str, Somebody], who: str, spec: Spec) -> None:
    wanted = needs(spec)
    caller = everybody[who]
    for connection in caller.connections:
        answer = await connection.patiently(spec.name, caller.fill_in(wanted.data))
        code = None if answer["ok"] else answer["error"]["code"]
        if OWN_TOKEN in wanted.data.values() and not caller.token:
            # A service has no access token that it could give, and is let in to be told so.
            assert answer["error"]["field"] == "token"
            continue
        assert code not in NOT_LET_IN, answer
        assert code != "invalid", "the example's data does not look right"
        answer = await connection.patiently(spec.name, {"__proto__": 1})
        assert answer["error"]["code"] == "invalid"


@pytest.mark.parametrize("word", ROOMS)
@pytest.mark.parametrize("who", IDENTITIES)
async def test_rooms_are_open_to_who_has_their_permission(
    everybody: dict[str, Somebody], who: str, word: str
) -> None:
    room = f"{word}:{UNKNOWN}" if KINDS[word].keyed else word
    for connection in everybody[who].connections:
        answer = await connection.patiently("rooms.join", {"room": room})
        code = None if answer["ok"] else answer["error"]["code"]
        if who == NOBODY:
            assert code == "unauthenticated"
        elif may(who, ROOMS[word].permission):
            assert code in (None, "not_found")
        else:
            assert code == "forbidden"


async def test_no_service_is_given_more_than_the_scopes(quiet: Server) -> None:
    given = {scope for scopes in SCOPES.values() for scope in scopes}
    withheld = {str(p) for p in permissions.Permission} - given
    assert {"play", "administer"} <= withheld
    before = contents(quiet.data_dir)
    async with beside(quiet) as office:
        for permission in withheld:
            for scopes in ([permission], [permission, *given], [*given, permission]):
                with pytest.raises(ValueError, match=permission):
                    await office.service(*scopes)
    assert contents(quiet.data_dir) == before


@pytest.mark.parametrize("way", TRANSPORTS)
async def test_nobody_gives_themselves_a_role(quiet: Server, way: Transport) -> None:
    token = (await registered(quiet.url)).tokens.access_token
    connection = await Wire.open(quiet.url, way)
    auth = {"token": token, "role": "admin", "permissions": "administer"}
    assert (await connection.log_in(auth))["ok"]
    for field in ("role", "permissions", "scopes"):
        answer = await connection.call("players.get", {field: "admin"})
        assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", field)
    await connection.close()
