"""The server says what its contract is, and what it sends is just that."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from protocol import asyncapi
from protocol.auth import Login
from protocol.client import log_in
from protocol.ids import uuid7
from server.http.serving import SECURITY_HEADERS
from tests.contracts import MESSAGES
from tests.support.asyncapi import Described
from tests.support.battles import easy_battle, strike
from tests.support.people import Person, connected
from tests.support.server import Server

DOCUMENTS = {"/asyncapi.json": "application/json", "/protocol": "text/html; charset=utf-8"}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_it_is_served_once_to_whoever_has_it_already(server: Server, path: str) -> None:
    async with aiohttp.ClientSession(server.url) as http:
        async with http.get(path) as answer:
            content, tag = await answer.read(), answer.headers["etag"]
            assert answer.status == 200
            assert answer.headers["content-type"] == DOCUMENTS[path]
            assert answer.headers["cache-control"] == "no-cache"
            assert SECURITY_HEADERS.items() <= answer.headers.items()
        async with http.head(path) as answer:
            assert (answer.status, await answer.read()) == (200, b"")
            assert answer.headers["content-length"] == str(len(content))
        for known in (tag, f'"other", W/{tag}', "*"):
            async with http.get(path, headers={"if-none-match": known}) as answer:
                assert (answer.status, await answer.read()) == (304, b""), known
                assert answer.headers["etag"] == tag
        for unknown in ('"other"', tag[:-2], ""):
            async with http.get(path, headers={"if-none-match": unknown}) as answer:
                assert (answer.status, await answer.read()) == (200, content), unknown
        async with http.post(path) as answer:
            assert answer.status == 405


async def test_programs_of_other_origins_may_read_the_document(server: Server) -> None:
    origin = {"origin": "https://studio.example"}
    async with aiohttp.ClientSession(server.url) as http:
        async with http.get("/asyncapi.json", headers=origin) as answer:
            assert answer.headers["access-control-allow-origin"] == "*"
            assert await answer.read() == asyncapi.encoded()
        async with http.get("/protocol", headers=origin) as answer:
            assert "access-control-allow-origin" not in answer.headers


class Checked:
    """Somebody whose every answer and event is held against the document that was served."""

    def __init__(self, person: Person, described: Described) -> None:
        self.person = person
        self.described = described
        self.answered: set[str] = set()
        self.refused: set[str] = set()

    async def call(self, name: str, **fields: Any) -> Any:
        """Send what the document takes, and hold the answer against it."""
        answer = await self.person.patiently(name, **fields)
        self.hold(name, fields, answer)
        return answer

    def hold(self, name: str, fields: dict[str, Any], answer: dict[str, Any]) -> None:
        """Hold a message and its answer against the document."""
        assert self.described.reply(name, answer) == [], (name, answer)
        taken = self.described.call(name, fields) == []
        if answer["ok"]:
            assert taken, (name, fields)
            self.answered.add(name)
        elif answer["error"]["code"] == "invalid" and name != "rooms.join":
            self.refused.add(name)
        if answer["ok"] and name == "rooms.join" and "snapshot" in answer["data"]:
            found = self.described.snapshot(fields["room"], answer["data"]["snapshot"])
            assert found == [], fields["room"]

    def told(self) -> set[str]:
        """The events it was told, all of them as the document says."""
        for name, data, meta in self.person.events:
            assert self.described.event(name, data, meta) == [], (name, data, meta)
        return {name for name, _, _ in self.person.events}


async def test_what_the_server_sends_is_what_it_says(server: Server) -> None:
    async with aiohttp.ClientSession(server.url) as http, http.get("/asyncapi.json") as answer:
        described = Described(await answer.json())
    ada = Checked(await connected(server.url), described)
    bob = Checked(await connected(server.url), described)
    for name, needs in MESSAGES.items():
        await ada.call(name, **needs.data)
        await ada.call(name, **{**needs.data, "nobody": 1})
        await ada.call(name)
    await ada.call("rooms.join", room=f"player:{ada.person.id}")
    battle_id = await easy_battle(ada.person)
    for room in (f"battle:{battle_id}", "battles"):
        joined = await ada.call("rooms.join", room=room)
        assert joined["ok"]
        since = {"epoch": joined["data"]["epoch"], "seq": joined["data"]["seq"]}
        assert (await ada.call("rooms.join", room=room, since=since))["ok"]
        assert (await ada.call("rooms.join", room=room, since={**since, "seq": 10**6}))["ok"]
        assert not (await ada.call("rooms.join", room=room, since={**since, "seq": -1}))["ok"]
    for one in (ada, bob):
        assert (await one.call("battles.join", battle_id=battle_id, request_id=uuid7()))["ok"]
    blow = {"battle_id": battle_id, "enemy_id": 1, "kind": "quick", "request_id": uuid7()}
    assert (await ada.call("battles.attack", **blow))["ok"]
    assert (await ada.call("battles.attack", **blow))["ok"]
    again = await ada.call("battles.attack", **{**blow, "kind": "normal"})
    assert again["error"]["reason"] == "request_id_reused"
    assert (await ada.call("battles.chat", battle_id=battle_id, text="well met"))["ok"]
    assert (await ada.call("battles.get", battle_id=battle_id))["ok"]
    assert (await ada.call("battles.revive", battle_id=battle_id))["error"]["reason"] == "not_down"
    assert (await bob.call("battles.leave", battle_id=battle_id))["ok"]
    battle = (await ada.call("battles.get", battle_id=battle_id))["data"]
    while battle["status"] == "in_progress":
        for enemy in battle["enemies"]:
            target = {"battle_id": battle_id, "enemy_id": enemy["enemy_id"], "kind": "power"}
            answer: dict[str, Any] = {"ok": enemy["hp"] > 0, "data": {"enemy_hp": enemy["hp"]}}
            while answer["ok"] and answer["data"]["enemy_hp"] > 0:
                answer = await strike(ada.person, **target)
                ada.hold("battles.attack", target, answer)
        battle = (await ada.call("battles.get", battle_id=battle_id))["data"]
    await ada.call("battles.claim", battle_id=battle_id)
    await ada.call("players.allocate", attack=1)
    assert (await ada.call("battles.history"))["data"]["items"]
    for room in (f"battle:{battle_id}", f"player:{ada.person.id}"):
        await ada.call("rooms.join", room=room)
    told = ada.told()
    assert {
        *("battles.player_joined", "battles.started", "battles.wave_started", "battles.struck"),
        *("battles.enemy_defeated", "battles.chat_said", "battles.player_left"),
        *("battles.completed", "players.changed", "players.stamina"),
    } <= told
    assert ada.answered | bob.answered >= {
        *("rooms.join", "rooms.leave", "battles.list", "battles.get", "battles.history"),
        *("battles.join", "battles.attack", "battles.chat", "battles.leave", "battles.claim"),
        "players.get",
    }
    assert ada.refused >= {"battles.attack", "players.allocate"}
    for one in (ada, bob):
        await one.person.close()


async def test_what_whoever_administers_is_sent_is_what_it_says(server: Server) -> None:
    described = Described(json.loads(asyncapi.encoded()))
    password = (server.data_dir / "admin_password").read_text().strip()
    admin = Checked(
        await Person(server.url, await log_in(server.url, Login("admin", password))).connect(),
        described,
    )
    new = {"username": f"n{uuid7()[-12:]}", "password": "correct horse", "request_id": uuid7()}
    made = (await admin.call("users.create", **new))["data"]["user_id"]
    rooms = (f"user:{made}", "connections", "players", f"profile:{admin.person.id}")
    for room in (*rooms, f"player:{admin.person.id}"):
        assert (await admin.call("rooms.join", room=room))["ok"], room
    assert (await admin.call("users.create", **{**new, "request_id": uuid7()}))["error"]["reason"]
    for name, fields in {
        "users.list": {"limit": 2},
        "users.get": {"user_id": made},
        "users.update": {"user_id": made, "role": "viewer", "email": f"{made}@example.org"},
        "users.disable": {"user_id": made},
        "users.enable": {"user_id": made},
        "users.delete": {"user_id": made},
        "connections.list": {"limit": 2},
        "players.list": {"online": True},
    }.items():
        assert (await admin.call(name, **fields))["ok"], name
    await admin.person.until_event("users.deleted")
    assert admin.told() >= {"users.changed", "users.deleted"}
    await admin.person.close()


async def test_the_good_byes_are_what_it_says(own_server: Server) -> None:
    described = Described(json.loads(asyncapi.encoded()))
    eve = Checked(await connected(own_server.url), described)
    async with asyncio.timeout(10):
        assert await own_server.stop() == 0
        await eve.person.until_closed()
    assert eve.told() == {"server.closing"}
    await eve.person.close()
