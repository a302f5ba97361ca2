"""Registering, logging in, and who may open a connection."""

import asyncio
from typing import Any

import aiohttp
import pytest

from protocol.ids import uuid7
from tests.support.people import PASSWORD, Person, handshake, registered, turned_away
from tests.support.server import Server
from tests.support.wire import Transport


async def post(server: Server, action: str, **body: Any) -> tuple[int, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{server.url}/api/auth/{action}", json=body) as response,
    ):
        return response.status, await response.json()


async def get(server: Server, path: str, token: str | None = None) -> tuple[int, Any]:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url + path, headers=headers) as response,
    ):
        return response.status, await response.json()


def name() -> str:
    return f"p{uuid7()[-12:]}"


async def test_registering_logs_in(server: Server) -> None:
    username = name()
    status, answer = await post(server, "register", username=username, password=PASSWORD)
    assert (status, answer["success"]) == (201, True)
    assert answer["data"]["user"]["role"] == "player"
    assert answer["data"]["tokens"]["expires_in"] == 900
    status, me = await get(server, "/api/auth/me", answer["data"]["tokens"]["access_token"])
    assert (status, me["data"]["username"]) == (200, username)


async def test_a_name_is_taken_whatever_its_case(server: Server) -> None:
    username = name()
    await post(server, "register", username=username, password=PASSWORD)
    status, answer = await post(server, "register", username=username.upper(), password=PASSWORD)
    assert (status, answer["error"]["code"]) == (409, "conflict")
    assert (answer["error"]["reason"], answer["error"]["field"]) == ("username_taken", "username")


async def test_one_of_many_who_want_a_name_at_once_gets_it(server: Server) -> None:
    username = name()
    answers = await asyncio.gather(
        *(post(server, "register", username=username, password=PASSWORD) for _ in range(5))
    )
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]


async def test_an_address_logs_in_as_well_as_a_name(server: Server) -> None:
    username = name()
    email = f"{username}@example.org"
    await post(server, "register", username=username, password=PASSWORD, email=email)
    for login in (username, username.upper(), email, email.upper()):
        status, _ = await post(server, "login", username=login, password=PASSWORD)
        assert status == 200, login
    status, answer = await post(server, "register", username=name(), password=PASSWORD, email=email)
    assert (status, answer["error"]["reason"]) == (409, "email_taken")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", "ab"),
        ("username", "x" * 21),
        ("username", "has space"),
        ("username", 7),
        ("password", "short"),
        ("password", "x" * 73),
        ("password", "ü" * 37),
        ("password", "pass\0word"),
        ("email", "no address"),
        ("role", "admin"),
    ],
)
async def test_what_can_not_be_registered_names_its_field(
    server: Server, field: str, value: Any
) -> None:
    body = {"username": name(), "password": PASSWORD, field: value}
    status, answer = await post(server, "register", **body)
    assert (status, answer["error"]["code"]) == (400, "invalid")
    assert answer["error"]["field"] == field


async def test_an_unknown_name_and_a_wrong_password_sound_alike(server: Server) -> None:
    username = name()
    await post(server, "register", username=username, password=PASSWORD)
    wrong = await post(server, "login", username=username, password="not the one")
    unknown = await post(server, "login", username=name(), password=PASSWORD)
    assert wrong == unknown
    assert wrong[0] == 401


async def test_refreshing_gives_a_new_pair(server: Server) -> None:
    pair = (await registered(server.url)).tokens
    status, answer = await post(server, "refresh", refresh_token=pair.refresh_token)
    assert status == 200
    fresh = answer["data"]["tokens"]
    assert fresh["refresh_token"] != pair.refresh_token
    assert (await get(server, "/api/auth/verify", fresh["access_token"]))[0] == 200


async def test_logging_out_ends_tokens_and_open_connections(server: Server, alice: Person) -> None:
    assert alice.logged_in is not None
    pair = alice.logged_in.tokens
    status, _ = await post(server, "logout", refresh_token=pair.refresh_token)
    assert status == 200
    await alice.until_closed()
    assert alice.named("auth.expired") == [{"reason": "logged_out"}]
    assert (await post(server, "refresh", refresh_token=pair.refresh_token))[0] == 401
    assert (await get(server, "/api/auth/me", pair.access_token))[0] == 401
    await turned_away(Person(server.url, alice.logged_in))


@pytest.mark.parametrize(
    "auth", [{}, {"token": "none"}, {"service_key": "none"}, {"token": ["list"]}, {"token": None}]
)
@pytest.mark.parametrize("way", ["websocket", "polling", "plain"])
async def test_a_handshake_without_a_right_is_refused_with_its_code(
    server: Server, auth: dict[str, Any], way: Transport
) -> None:
    reply = await handshake(server.url, way, auth)
    assert reply["error"]["code"] == "unauthenticated"


async def test_a_refresh_token_opens_nothing(server: Server) -> None:
    pair = (await registered(server.url)).tokens
    assert (await get(server, "/api/auth/me", pair.refresh_token))[0] == 401


async def test_a_connection_is_renewed_in_band(server: Server, alice: Person) -> None:
    assert alice.logged_in is not None
    token = alice.logged_in.tokens.refresh_token
    _, answer = await post(server, "refresh", refresh_token=token)
    fresh = answer["data"]["tokens"]["access_token"]
    assert (await alice.ok("auth.renew", token=fresh))["expires_in_s"] > 890


async def test_nobody_renews_with_somebody_elses_token(alice: Person, bob: Person) -> None:
    assert bob.logged_in is not None
    token = bob.logged_in.tokens.access_token
    assert await alice.refused("auth.renew", token=token) == ("forbidden", None)


async def test_a_service_key_opens_a_connection_that_does_no_more_than_its_scopes(
    service: Person,
) -> None:
    assert await service.refused("players.get") == ("forbidden", None)
    assert await service.refused("rooms.join", room="nothing") == ("not_found", None)


async def test_the_first_start_makes_an_admin_with_a_password_of_its_own(server: Server) -> None:
    path = server.data_dir / "admin_password"
    assert path.stat().st_mode & 0o777 == 0o600
    password = path.read_text().strip()
    status, answer = await post(server, "login", username="admin", password=password)
    assert (status, answer["data"]["user"]["role"]) == (200, "admin")
    assert password not in server.log.read_text()


async def test_a_page_of_another_origin_is_kept_out(server: Server) -> None:
    headers = {"origin": "https://elsewhere.example"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{server.url}/socket.io/?EIO=4&transport=polling", headers=headers) as answer,
    ):
        assert answer.status == 403


async def test_a_refresh_token_may_be_tried_again_while_its_reply_may_be_lost(
    server: Server,
) -> None:
    first = (await registered(server.url)).tokens.refresh_token
    assert (await post(server, "refresh", refresh_token=first))[0] == 200
    assert (await post(server, "refresh", refresh_token=first))[0] == 200
