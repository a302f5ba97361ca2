"""Nothing that one client sends reaches others in a form that their clients break on: refused at
the door, in every field of every message, while clients of others listen."""

import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from protocol.auth import LoggedIn, Register
from tests.support.abuse.poison import (
    ATTACHMENTS,
    CONTROLS,
    NO_UTF8,
    VALUES,
    attach,
    doses,
    give,
)
from tests.support.injections import INJECTIONS
from tests.support.messages import calls
from tests.support.node_client import NodeClient
from tests.support.official import OfficialClient
from tests.support.people import PASSWORD
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.strategies import text_places
from tests.support.talk import Talk
from tests.support.wire import Transport, Wire

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="module")]

TRANSPORTS: tuple[Transport, ...] = ("websocket", "polling", "plain")

RELAYED = (
    *INJECTIONS,
    *("a\ufeff", "a\ufffe", "a\uffff", "a\U0010ffff", "e\u0301", "a\u200bb", "a\xa0b", "\ue000"),
    *(
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u05d0\u200f!",
        "\U0001f469\u200d\U0001f680",
    ),
    *(
        "🐉" * 200,
        '{"_placeholder":true,"num":0}',
        '42["battles.chat_said",{}]',
        "1",
        "null",
        "NaN",
    ),
)
"""What may look like more than text and is none: it comes as it was sent."""


class Listener(NamedTuple):
    """A client of somebody else, in every room that the poisoned messages are about."""

    name: str
    client: Any  # a Talk with `is_open` and `close`

    def numbered(self) -> list[tuple[str, int, str, str]]:
        """All numbered events, whatever order their rooms came in."""
        told = (t for t in self.client.events if "seq" in t.meta)
        return sorted(
            (t.meta["room"], t.meta["seq"], t.name, json.dumps(t.data, sort_keys=True))
            for t in told
        )


class Arena(NamedTuple):
    """A server, somebody who may do everything, and those who listen."""

    server: Server
    attacker: LoggedIn
    speaker: Wire
    battle_id: str
    listeners: list[Listener]

    async def connect(self, over: Transport) -> Wire:
        """The attacker, connected."""
        token = self.attacker.tokens.access_token
        return await Wire.connect(self.server.url, over, token=token)

    async def check(self, words: str) -> None:
        """What is honest is still heard by everybody, and all of them heard the same."""
        await self.speaker.ok("battles.chat", battle_id=self.battle_id, text=words)
        for name, client in self.listeners:
            await client.until(lambda client=client: words in said(client))
            assert client.is_open, name
        heard = {listener.name: listener.numbered() for listener in self.listeners}
        first = next(iter(heard.values()))
        assert {name: events for name, events in heard.items() if events != first} == {}


def said(client: Talk) -> list[str]:
    """The chat that was heard."""
    return [d["line"]["text"] for name, d, _ in client.events if name == "battles.chat_said"]


async def official(url: str, transport: str, token: str) -> OfficialClient:
    """Python's client, connected."""
    client = OfficialClient()
    await client.connect(url, transport, {"token": token})
    return client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def arena(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Arena]:
    """All of it, with the rooms joined."""
    folder = tmp_path_factory.mktemp("poison")
    async with Server(folder, "tests.support.unlimited_server") as server:
        async with beside(server) as office:
            attacker, listening = await office.person("admin"), await office.person("admin")
        token = listening.tokens.access_token
        speaker = await Wire.connect(server.url, token=attacker.tokens.access_token)
        page = await speaker.ok("battles.list", status="waiting")
        battle_id = next(b["battle_id"] for b in page["items"] if b["required_level"] == 1)
        listeners = [
            *[
                Listener(
                    f"JavaScript, {transport}",
                    await NodeClient.connect(server.url, transport, token),
                )
                for transport in ("websocket", "polling")
            ],
            *[
                Listener(f"Python, {transport}", await official(server.url, transport, token))
                for transport in ("websocket", "polling")
            ],
            Listener("plain", await Wire.connect(server.url, "plain", token=token)),
        ]
        rooms = (
            *("battles", "players", "connections", f"battle:{battle_id}", f"listing:{battle_id}"),
            *(f"profile:{attacker.user.id}", f"user:{attacker.user.id}"),
        )
        for listener in listeners:
            for room in rooms:
                await listener.client.ok("rooms.join", room=room)
        await speaker.ok("battles.join", battle_id=battle_id)
        yield Arena(server, attacker, speaker, battle_id, listeners)
        for listener in listeners:
            await listener.client.close()
        await speaker.close()


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_every_poison_in_every_field_is_refused_and_nobody_hears_of_it(
    arena: Arena, over: Transport
) -> None:
    wire = await arena.connect(over)
    assert [wrong for dose in doses() if (wrong := await give(wire, dose))] == []
    await wire.ok("players.get")
    await wire.close()
    await arena.check(f"after the poison over {over}")


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_attachments_are_refused_in_every_message(arena: Arena, over: Transport) -> None:
    wire = await arena.connect(over)
    wrong = [
        await attach(wire, over, spec, attachments)
        for spec in calls()
        for attachments in ATTACHMENTS
    ]
    assert set(wrong) == {None}
    await wire.ok("players.get")
    await wire.close()
    await arena.check(f"after the attachments over {over}")


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_what_is_no_utf_8_ends_the_connection_that_it_came_on(
    arena: Arena, over: Transport
) -> None:
    wire = await arena.connect(over)
    if over == "polling":
        async with aiohttp.ClientSession(arena.server.url) as http:
            address = f"/socket.io/?EIO=4&transport=polling&sid={wire.greeting.sid}"
            body = b'42["battles.chat",' + NO_UTF8 + b"]"
            async with http.post(address, data=body) as answer:
                assert answer.status == 400
        await wire.until_closed()
    else:
        text = b'42["battles.chat",' + NO_UTF8 + b"]"
        wire.write(bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text)
        assert (await wire.until_closed()).code == 1007
    await arena.check(f"after what is no UTF-8 over {over}")


async def test_names_and_addresses_are_as_clean_when_they_are_registered(arena: Arena) -> None:
    right = {"username": "somebody-clean", "password": PASSWORD, "email": "a@example.org"}
    async with aiohttp.ClientSession(arena.server.url) as http:
        for (field,) in text_places(Register):
            for value in VALUES + (() if field == "password" else CONTROLS):
                sent = json.dumps({**right, field: "@"}).replace('"@"', value)
                async with http.post("/api/auth/register", data=sent) as answer:
                    assert answer.status == 400, sent
    await arena.check("after the registrations")


@pytest.mark.parametrize("over", TRANSPORTS)
async def test_what_only_looks_like_more_than_text_comes_as_it_was_sent(
    arena: Arena, over: Transport
) -> None:
    wire = await arena.connect(over)
    before = [len(said(client)) for _, client in arena.listeners]
    lines = [text for text in RELAYED if not {"\r", "\n"} & set(text)]
    for text in lines:
        await wire.ok("battles.chat", battle_id=arena.battle_id, text=text)
    await arena.check(f"said over {over}")
    for count, (name, client) in zip(before, arena.listeners, strict=True):
        assert said(client)[count:] == [*lines, f"said over {over}"], name
    await wire.close()


ODD = "\u05d0🐉<img/src=x/onerror=alert(1)>"
"""What most text may be, without a space or what can't be seen: an address has none of these."""
UNSEEN = "\ufeff\u200f\u200b"


async def test_addresses_come_as_they_were_given(arena: Arena) -> None:
    who = arena.attacker.user.id
    await arena.speaker.ok("users.update", user_id=who, email=f"{ODD}@example.org")
    await arena.check("after the address")
    for name, client in arena.listeners:
        assert client.named("users.changed")[-1]["user"]["email"] == f"{ODD}@example.org", name


async def test_words_to_who_is_disconnected_come_as_they_were_given(arena: Arena) -> None:
    token, url = arena.attacker.tokens.access_token, arena.server.url
    victims: list[Any] = [
        *[await NodeClient.connect(url, over, token) for over in ("websocket", "polling")],
        *[await official(url, over, token) for over in ("websocket", "polling")],
        *[await Wire.connect(url, over, token=token) for over in TRANSPORTS],
    ]
    page = await arena.speaker.ok("connections.list", user_id=arena.attacker.user.id, limit=200)
    newest = page["items"][: len(victims)]
    for view in newest:
        await arena.speaker.ok(
            "connections.disconnect", connection_id=view["connection_id"], reason=ODD + UNSEEN
        )
    for victim in victims:
        await victim.until_closed()
        assert victim.events[-1].name == "server.evicted"
        assert victim.named("server.evicted") == [
            {"reason": "disconnected", "message": ODD + UNSEEN}
        ]
        await victim.close()
    await arena.check("after the disconnections")
