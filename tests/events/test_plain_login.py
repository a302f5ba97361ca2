"""Who may come in at `/ws`: by a header, by the first message, and not by the address."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from protocol.auth import LoggedIn
from protocol.client import log_out
from tests.support.forgeries import SECRET, resealed
from tests.support.people import Person, registered, service_key
from tests.support.server import Server
from tests.support.websocket import Refused
from tests.support.wire import Wire

REFUSED = {"code": "unauthenticated", "message": "the access token is not accepted"}
LOG_IN_FIRST = {
    "ok": False,
    "error": {"code": "unauthenticated", "message": "not authenticated: log in first"},
}
POLICY = 1008


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server whose secret is known here."""
    async with Server(tmp_path_factory.mktemp("house"), SECRET_KEY=SECRET) as started:
        yield started


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def logged_in(house: Server) -> LoggedIn:
    """Somebody."""
    return await registered(house.url)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def token(logged_in: LoggedIn) -> str:
    """Their access token."""
    return logged_in.tokens.access_token


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def key(house: Server) -> str:
    """The key of a service that reads."""
    return await service_key(house, "read")


@pytest.fixture
async def nobody(house: Server) -> AsyncIterator[Wire]:
    """A connection that has not logged in."""
    wire = await Wire.open(house.url, "plain")
    yield wire
    await wire.close()


async def at_the_door(server: Server, header: str, query: str = "") -> Wire:
    """Connect with a header `Authorization`."""
    headers = {"Authorization": header}
    return await Wire.open(server.url, "plain", headers=headers, query=query)


async def turned_away(server: Server, header: str, query: str = "") -> tuple[int, dict[str, Any]]:
    """The status and the error of a handshake that is refused."""
    with pytest.raises(Refused) as refused:
        await at_the_door(server, header, query)
    assert refused.value.headers["content-type"] == "application/json"
    body = json.loads(refused.value.body)
    assert not body["ok"]
    return refused.value.status, body["error"]


# ---- by a header


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_a_header_logs_in(
    house: Server, logged_in: LoggedIn, token: str, scheme: str
) -> None:
    wire = await at_the_door(house, f"{scheme} {token}")
    view = await wire.ok("players.get")
    assert view["player"]["player_id"] == logged_in.user.id
    assert len(wire.frames) == 1, "nothing was said that nobody asked for"
    await wire.close()


async def test_a_header_logs_a_service_in(house: Server, key: str) -> None:
    wire = await at_the_door(house, f"Service-Key {key}")
    assert (await wire.ok("rooms.join", room="connections"))["verdict"] == "joined"
    assert await wire.refused("players.get") == ("forbidden", None)
    await wire.close()


async def test_a_header_that_is_not_accepted_opens_nothing(
    house: Server, logged_in: LoggedIn, token: str, key: str
) -> None:
    again = await registered(house.url)
    await log_out(house.url, again.tokens.refresh_token)
    for wrong in (
        *("none", token[:-2], token + "x", key, logged_in.tokens.refresh_token),
        *(again.tokens.access_token, resealed(logged_in, exp=int(time.time()) - 60)),
    ):
        assert await turned_away(house, f"Bearer {wrong}") == (401, REFUSED)
    for wrong in (token, key[:-1], key + "x"):
        status, error = await turned_away(house, f"Service-Key {wrong}")
        assert (status, error["code"]) == (401, "unauthenticated")
    for header in (token, f"Basic {token}", f"Token {token}", "Bearer", f"Bearer {token} {token}"):
        status, error = await turned_away(house, header)
        assert (status, error["code"]) == (401, "unauthenticated"), header


# ---- by the first message


async def test_a_first_message_logs_in(
    house: Server, logged_in: LoggedIn, token: str, key: str, nobody: Wire
) -> None:
    reply = await nobody.log_in({"token": token})
    assert reply.keys() == {"ok", "data"}
    assert reply["data"].keys() == {"connection_id"}
    assert (await nobody.ok("players.get"))["player"]["player_id"] == logged_in.user.id
    service = await Wire.open(house.url, "plain")
    other = await service.log_in({"service_key": key})
    assert other["data"]["connection_id"] != reply["data"]["connection_id"]
    await service.close()


async def test_a_refused_log_in_may_be_tried_again(token: str, nobody: Wire) -> None:
    for wrong in ({"token": "none"}, {"token": token[:-2]}, {"token": None}, {"token": [token]}):
        assert await nobody.log_in(wrong) == {"ok": False, "error": REFUSED}
    for auth in ({}, {"username": "ada", "password": "x"}, [], "x", 7, None):
        assert (await nobody.log_in(auth))["error"]["code"] == "unauthenticated"
    assert (await nobody.call("players.get")) == LOG_IN_FIRST
    assert (await nobody.log_in({"token": token}))["ok"]
    assert (await nobody.call("players.get"))["ok"]


async def test_a_log_in_that_can_not_be_read_is_answered(token: str, nobody: Wire) -> None:
    for auth in ("{", '{"token":NaN}', '{"token":"\\ud800"}', "[" * 5000):
        assert (await nobody.handshake(auth))["error"]["code"] == "invalid"
    assert (await nobody.log_in({"token": token}))["ok"]


async def test_nobody_logs_in_twice(house: Server, logged_in: LoggedIn, token: str) -> None:
    other = (await registered(house.url)).tokens.access_token
    for wire in (
        await at_the_door(house, f"Bearer {token}"),
        await Wire.connect(house.url, "plain", token=token),
    ):
        assert (await wire.log_in({"token": other}))["error"]["code"] == "invalid"
        assert (await wire.ok("players.get"))["player"]["player_id"] == logged_in.user.id
        await wire.close()


async def test_before_that_each_message_is_answered_with_that(nobody: Wire) -> None:
    for name, data in (("players.get", {}), ("no.such", {}), ("rooms.join", {"room": "battles"})):
        assert await nobody.call(name, data) == LOG_IN_FIRST
    before = len(nobody.frames)
    await nobody.tell("players.get")  # it asks for no answer
    assert await nobody.call("players.get") == LOG_IN_FIRST
    assert len(nobody.frames) == before + 1


async def test_what_is_sent_right_behind_a_log_in_is_answered_after_it(
    token: str, nobody: Wire
) -> None:
    texts = [
        json.dumps({"id": n, "type": "rooms.leave", "data": {"room": "nothing"}})
        for n in range(2, 20)
    ]
    nobody.send('{"id":0,"type":"players.get"}')
    nobody.send(json.dumps({"id": 1, "type": "auth.login", "data": {"token": token}}), *texts)
    await nobody.answer("19")
    said = [json.loads(frame) for frame in nobody.frames]
    assert [answer["id"] for answer in said] == list(range(20))
    assert [answer["ok"] for answer in said] == [False] + [True] * 19


async def test_a_log_in_that_asks_for_no_answer_is_one(token: str, nobody: Wire) -> None:
    await nobody.tell("auth.login", {"token": token})
    assert (await nobody.call("players.get"))["ok"]
    assert len(nobody.frames) == 1


async def test_who_does_not_log_in_is_gone_in_time(tmp_path: Path) -> None:
    async with Server(tmp_path / "data", CONNECT_TIMEOUT_MS="300") as server:
        token = (await registered(server.url)).tokens.access_token
        entered = await Wire.connect(server.url, "plain", token=token)
        shown = await at_the_door(server, f"Bearer {token}")
        silent, wrong = [await Wire.open(server.url, "plain") for _ in range(2)]
        await wrong.log_in({"token": "none"})
        for wire in (silent, wrong):
            assert (await wire.until_closed()).code == POLICY
        for wire in (entered, shown):
            assert (await wire.call("players.get"))["ok"]
            await wire.close()


# ---- not by the address


async def test_a_token_in_the_address_is_refused_and_not_logged(house: Server, token: str) -> None:
    for query in (f"?token={token}", f"?a=b&token={token}", f"?token=x&token={token}"):
        for header in ("", f"Bearer {token}"):
            status, error = await turned_away(house, header, query)
            assert (status, error["code"], error["field"]) == (400, "invalid", "token"), query
    assert token not in house.log.read_text()
    assert token not in house.printed


async def test_a_token_in_the_address_is_taken_where_a_setting_allows_it(tmp_path: Path) -> None:
    settings = {"ALLOW_TOKEN_IN_ADDRESS": "true", "LOG_LEVEL": "DEBUG"}
    async with Server(tmp_path / "data", **settings) as server:
        token = (await registered(server.url)).tokens.access_token
        wire = await Wire.open(server.url, "plain", query=f"?token={token}")
        assert (await wire.call("players.get"))["ok"]
        await wire.close()
        assert await turned_away(server, "", "?token=none") == (401, REFUSED)
    assert token not in server.log.read_text()


# ---- the door itself


@pytest.mark.parametrize(
    ("path", "status"),
    [("/ws/battle", 404), ("/ws/battle/x/y", 404), ("/ws/battle/x/y/z", 404), ("/wss", 404)],
)
async def test_an_address_that_is_not_there(
    house: Server, token: str, path: str, status: int
) -> None:
    with pytest.raises(Refused) as refused:
        headers = {"Authorization": f"Bearer {token}"}
        await Wire.open(house.url, "plain", path=path, headers=headers)
    assert refused.value.status == status


async def test_a_page_of_another_origin_is_kept_out(house: Server, token: str) -> None:
    for origin, is_let_in in (
        (house.url, True),
        ("https://elsewhere.example", False),
        ("null", False),
    ):
        headers = {"Authorization": f"Bearer {token}", "Origin": origin}
        if is_let_in:
            await (await Wire.open(house.url, "plain", headers=headers)).close()
            continue
        with pytest.raises(Refused) as refused:
            await Wire.open(house.url, "plain", headers=headers)
        assert refused.value.status == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_for_no_websocket_is_told_so(house: Server, method: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{house.url}/ws") as answer,
    ):
        assert answer.status == 400
        assert (await answer.json())["error"]["code"] == "invalid"


# ---- the end of a right


async def test_a_token_ends_its_connection_when_it_ends(house: Server) -> None:
    person = await registered(house.url)
    short = resealed(person, exp=int(time.time()) + 2)
    by_header = await at_the_door(house, f"Bearer {short}")
    by_message = await Wire.connect(house.url, "plain", token=short)
    renewed = await Wire.connect(house.url, "plain", token=short)
    assert await renewed.ok("auth.renew", token=person.tokens.access_token)
    for wire in (by_header, by_message):
        assert (await wire.until_closed()).code == POLICY
        assert [(name, data) for name, data, _ in wire.events] == [
            ("auth.expired", {"reason": "expired"})
        ]
    assert (await renewed.call("players.get"))["ok"]
    assert await turned_away(house, f"Bearer {short}") == (401, REFUSED)
    await renewed.close()


async def test_who_logs_out_is_told_and_closed(house: Server) -> None:
    person = await registered(house.url)
    wire = await Wire.connect(house.url, "plain", token=person.tokens.access_token)
    other = await Person(house.url, person).connect()
    await log_out(house.url, person.tokens.refresh_token)
    assert (await wire.until_closed()).code == POLICY
    await other.until_closed()
    assert wire.named("auth.expired") == [{"reason": "logged_out"}]
    assert wire.frames[-1].startswith('{"type":"auth.expired"'), "nothing comes after it"
    await asyncio.gather(wire.close(), other.close())
