"""From a message or a request to every line of the log that is about it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.ids import uuid7
from tests.support.people import Person, connected
from tests.support.server import Server

PROXIES = "127.0.0.1/32"


@pytest.fixture
async def talkative(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that says all there is to say, and whose handlers may have bugs."""
    async with Server(
        tmp_path / "data", "tests.support.broken_server", LOG_LEVEL="DEBUG"
    ) as server:
        yield server


def about(server: Server, origin: str) -> dict[str, dict[str, Any]]:
    """The lines that are about a message, by their events."""
    lines = server.logged()
    return {
        line["event"]: line
        for line in lines
        if line.get("origin") == origin or origin in line.get("origins", ())
    }


def answered(server: Server, command: str) -> list[dict[str, Any]]:
    """The lines of answers to a command."""
    lines = server.logged()
    return [line for line in lines if (line["event"], line.get("command")) == ("answered", command)]


@pytest.mark.usefixtures("transport")
async def test_a_message_is_followed_from_its_connection_to_the_database(talkative: Server) -> None:
    person = await connected(talkative.url)
    await person.ok("players.get")
    await person.ok("tests.secretive", password="a secret", request_id=uuid7())
    await person.refused("battles.get", battle_id=uuid7())
    await person.close()
    await talkative.stop()
    (opened,) = [line for line in talkative.logged() if line["event"] == "connected"]
    connection = opened["connection"]
    (get,), (wrote,) = answered(talkative, "players.get"), answered(talkative, "tests.secretive")
    (missed,) = answered(talkative, "battles.get")
    assert [line["origin"] for line in (get, wrote, missed)] == [
        f"{connection}.{n}" for n in (1, 2, 3)
    ]
    assert missed["code"] == "not_found"
    for line in (get, wrote, missed):
        assert line["connection"] == connection
        assert line["person"] == person.id
        assert line["component"] == "gateway"
        assert line["level"] == "debug"
        assert line["ms"] > 0
    batch = about(talkative, wrote["origin"])["committed"]
    assert batch["component"] == "database"
    assert batch["units"] >= 1
    assert "committed" not in about(talkative, get["origin"])


@pytest.mark.usefixtures("transport")
async def test_a_fault_is_told_under_the_id_of_its_message(talkative: Server) -> None:
    person = await connected(talkative.url)
    answer = await person.call("tests.broken", request_id=uuid7())
    assert answer["error"]["code"] == "internal"
    origin = answer["error"]["details"]["fault_id"]
    await person.close()
    lines = about(talkative, origin)
    assert lines.keys() >= {"handler_failed", "answered"}
    assert lines["handler_failed"]["level"] == "error"
    assert lines["answered"]["code"] == "internal"


@pytest.mark.usefixtures("transport")
async def test_messages_of_two_people_are_told_apart(talkative: Server) -> None:
    people = [await connected(talkative.url) for _ in range(2)]
    for person in people:
        await person.ok("players.get")
    lines = {line["person"]: line["origin"] for line in answered(talkative, "players.get")}
    assert len(set(lines.values())) == 2
    assert lines.keys() == {person.id for person in people}
    for person in people:
        await person.close()


@pytest.mark.usefixtures("transport")
async def test_a_message_that_can_not_be_read_is_one_line_without_its_words(
    talkative: Server,
) -> None:
    person = await connected(talkative.url)
    await person.mumble("the words of a client")
    await person.ok("players.get")
    await person.close()
    (line,) = [line for line in talkative.logged() if line["event"] == "unreadable"]
    assert line["code"] == "invalid"
    assert line["origin"] == f"{line['connection']}.1"
    assert "words of a client" not in talkative.log.read_text()


async def test_by_default_what_goes_well_is_not_told(server: Server, alice: Person) -> None:
    await alice.ok("players.get")
    names = {line["event"] for line in server.logged()}
    assert not names & {"answered", "committed", "requested"}


async def asked(server: Server, path: str, **headers: str) -> str:
    """The id of a request, as its answer says it."""
    async with aiohttp.ClientSession(server.url) as http, http.get(path, headers=headers) as answer:
        await answer.read()
        return answer.headers["x-request-id"]


async def test_every_request_has_an_id_and_a_line(talkative: Server) -> None:
    paths = {"/health": "/health", "/api/auth/me": "/api/auth/me", "/a%20secret": "/", "/": "/"}
    found = {path: await asked(talkative, path) for path in paths}
    assert len(set(found.values())) == len(paths)
    for path, ident in found.items():
        line = about(talkative, ident)["requested"]
        assert line["route"] == paths[path]
        assert line["status"] == {"/a%20secret": 404, "/api/auth/me": 401}.get(path, 200)
        assert line["ms"] > 0
    assert "secret" not in talkative.log.read_text()
    polled = await asked(talkative, "/socket.io/?EIO=4&transport=polling")
    assert about(talkative, polled)["requested"]["route"] == "/socket.io/"


async def test_what_a_request_commits_names_it(talkative: Server) -> None:
    async with aiohttp.ClientSession(talkative.url) as http:
        body = {"username": f"r{uuid7()[-12:]}", "password": "correct horse"}
        async with http.post("/api/auth/register", json=body) as answer:
            assert answer.status == 201
            ident = answer.headers["x-request-id"]
    assert about(talkative, ident).keys() >= {"committed", "requested"}


async def test_nobody_names_a_request_but_a_proxy_that_is_trusted(
    server: Server, tmp_path: Path
) -> None:
    assert await asked(server, "/health", **{"x-request-id": "mine"}) != "mine"
    async with Server(tmp_path / "data", TRUSTED_PROXIES=PROXIES, LOG_LEVEL="DEBUG") as behind:
        named = {"x-request-id": "a-1.b_2:c", "x-forwarded-for": "203.0.113.9"}
        assert await asked(behind, "/health", **named) == "a-1.b_2:c"
        assert about(behind, "a-1.b_2:c")["requested"]["route"] == "/health"
        for unsafe in ("", "a b", "x" * 65, "<b>", "a;b", "wrr_abc", "wrk_abc", "é"):
            assert await asked(behind, "/health", **{"x-request-id": unsafe}) != unsafe, unsafe
    elsewhere = Server(tmp_path / "data", TRUSTED_PROXIES="203.0.113.0/24")
    async with elsewhere:
        assert await asked(elsewhere, "/health", **{"x-request-id": "mine"}) != "mine"
