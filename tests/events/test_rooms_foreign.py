"""Rooms asked for under foreign and strange names: not there and not yours are the same answer,
and who was refused is told nothing, whatever happens there afterwards."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from protocol.auth import LoggedIn
from protocol.domains import load
from protocol.ids import uuid7
from protocol.message import Limit
from protocol.rooms import KINDS
from tests.contracts import ACTS
from tests.contracts import ROOMS as TARGETS
from tests.contracts.contract import EVERYBODY, UNKNOWN, About
from tests.support.battles import easy_battle, fight
from tests.support.callers import Callers
from tests.support.injections import INJECTIONS
from tests.support.messages import GRANTED
from tests.support.people import Person, connected
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.wire import Transport, Wire

load()

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_NAMES: list[Any] = [
    *(None, 0, 1, -1, 1.5, 2**53, True, False, "", [], {}, [[]]),
    *({"room": "battles"}, {"$ne": None}, {"toString": "battles"}, {"length": 1}),
    *("x" * 101, "battle:" + "0" * 94, "🐉" * 101, "x" * 100_000),
]
"""What is no name of any room, by its type or its length."""


class World(NamedTuple):
    """What the rooms are about."""

    owner: Person
    battle_id: str
    connection_ids: list[str]

    @property
    def about(self) -> About:
        """What the rooms that are aimed at are about."""
        return About(self.owner.id, self.battle_id)


IDENTITIES = {"owner": "player", "other": "player", "viewer": "viewer", "service": "read"}
"""Who asks, beside nobody, and with which role or scope."""
assert tuple(IDENTITIES) == EVERYBODY


def strange_ids(ident: str) -> list[str]:
    """Ids that are almost this one, or that mean something to somebody else."""
    return [
        *(UNKNOWN, uuid7(), ident.upper(), ident.title(), ident[:-1], ident + "0", ident[::-1]),
        *(ident.replace("-", ""), f"{{{ident}}}", f"urn:uuid:{ident}", f'"{ident}"', f"[{ident}]"),
        *(f" {ident}", f"{ident} ", f"\t{ident}", f"{ident}\n", f"{ident}\0", f"{ident}\r\n"),
        *(f"{ident}\x00.x", f"{ident}:", f":{ident}", f"{ident}:{ident}", f"{ident},{UNKNOWN}"),
        *(f"{ident}/..", f"../{ident}", f"{ident}#x", f"{ident}?x", f"{ident};", f"{ident}%00"),
        *(ident.replace("-", "%2d"), ident.replace("-", "\u2010"), ident.replace("-", "\u2212")),
        *(ident.replace("0", "O"), ident.replace("0", "\uff10"), ident.replace("a", "\u0430")),
        *(f"{ident}\u200d", f"\ufeff{ident}", f"\u202e{ident}", f"{ident}\u0301", f"{ident}é"),
        *("*", "%", "_", "?", ".", "..", "#", "0", "-1", "null", "None", "undefined", "true"),
        *("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "self", "me"),
    ]


def strange_names(word: str, room: str, others: list[str]) -> list[str]:
    """Names that are almost the room's, or that mean something inside."""
    ident = room.partition(":")[2] or UNKNOWN
    elsewhere = ("players", "users", "sessions", "sid", "rights", "sub", f"{word}s", "")
    return [
        *(f"{word}:{strange}" for strange in strange_ids(ident)),
        *(f"{word}:{text}"[:100] for text in INJECTIONS[::4]),
        *(room.upper(), room.title(), f" {room}", f"{room} ", f"/{room}", f"{room}/", f"#{room}"),
        *(room.replace(":", "::"), room.replace(":", "\uff1a"), room.replace(":", "\ua789")),
        *(room.replace("a", "\u0430"), room.replace("b", "\uff42"), room.replace("e", "é")),
        *(word, f"{word}:", f"{word}::", ident, *(f"{kind}:{ident}" for kind in elsewhere)),
        *("/", ":", "::", "*", "rights", "server", "auth", "sessions", "metrics", "alerts"),
        *("socket.io", "None", "null", "[object Object]", "__proto__", "__proto__:x"),
        *(*others, *(f"{word}:{other}" for other in others)),
    ]


@pytest.fixture(scope="module")
def transport(request: pytest.FixtureRequest) -> Transport:
    """How all of them connect."""
    chosen: Transport = request.param
    return chosen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server: Server, transport: Transport) -> AsyncIterator[World]:
    """A player, and a battle that waits, for those who connect by this transport."""
    owner = await connected(server.url)
    assert owner.logged_in is not None
    token = owner.logged_in.tokens.access_token
    again, plain = await Wire.open(server.url), await Wire.open(server.url, "plain")
    (entered, greeted) = [await wire.log_in({"token": token}) for wire in (again, plain)]
    ids = [again.greeting.sid, entered["data"]["sid"], greeted["data"]["connection_id"]]
    yield World(owner, await easy_battle(owner), ids)
    for connection in (owner, again, plain):
        await connection.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def callers(
    server: Server, world: World, transport: Transport
) -> AsyncIterator[dict[str, Callers]]:
    """Callers of each identity. The owner comes with other connections of the same person."""
    async with beside(server) as office:

        async def opened(identity: str) -> Wire:
            if identity == "nobody":
                return await Wire.open(server.url, transport)
            if identity == "service":
                return await Wire.connect(
                    server.url, transport, service_key=await office.service("read")
                )
            person = (
                world.owner.logged_in
                if identity == "owner"
                else await office.person(IDENTITIES[identity])
            )
            assert person is not None
            return await Wire.connect(server.url, transport, token=person.tokens.access_token)

        found = {
            identity: Callers(lambda identity=identity: opened(identity))  # type: ignore[misc]
            for identity in (*IDENTITIES, "nobody")
        }
        yield found
        for of_them in found.values():
            await of_them.close()


def refusal(identity: str, name: Any) -> dict[str, Any]:
    """The one answer to a name that is not to be joined, whatever it is the name of."""
    if identity == "nobody":
        return {"code": "unauthenticated", "message": "not authenticated: log in first"}
    if any(ord(letter) < 32 for letter in name):
        return {"code": "invalid", "field": "room"}
    word, colon, ident = name.partition(":")
    if word not in TARGETS or KINDS[word].keyed != bool(colon) or (colon and not ident):
        return {"code": "not_found", "message": "no such room"}
    role = IDENTITIES[identity]
    granted = GRANTED["service to read"] if identity == "service" else GRANTED[role]
    permission = TARGETS[word].permission
    if permission not in granted:
        return {"code": "forbidden", "message": f"{word} requires the permission {permission}"}
    return {"code": "not_found", "message": TARGETS[word].missing}


async def join(of_them: Callers, room: Any) -> dict[str, Any]:
    """Let one of them ask to join a room."""
    return await (await of_them.next(Limit.ROOM)).patiently("rooms.join", {"room": room})


async def expect_refusal(callers: dict[str, Callers], identity: str, name: str) -> None:
    """Ask, and get the one answer."""
    answer = await join(callers[identity], name)
    assert not answer["ok"], name
    if answer["error"]["code"] == "invalid":
        answer["error"].pop("message")
    assert answer["error"] == refusal(identity, name), name


async def test_every_kind_of_room_is_aimed_at() -> None:
    assert TARGETS.keys() == KINDS.keys(), "a kind of room is new or gone: correct its contract"


@pytest.mark.parametrize("word", TARGETS)
@pytest.mark.parametrize("identity", ["other", "viewer", "service", "nobody"])
async def test_strange_names_are_answered_as_names_of_nothing(
    world: World, callers: dict[str, Callers], identity: str, word: str
) -> None:
    room = TARGETS[word].room(world.about)
    may = {target.room(world.about) for target in TARGETS.values() if identity in target.open_to}
    for name in (room, *strange_names(word, room, world.connection_ids)):
        if name not in may:
            await expect_refusal(callers, identity, name)


async def test_even_the_owner_has_one_name_for_the_own_room(
    world: World, callers: dict[str, Callers]
) -> None:
    for strange in strange_ids(world.owner.id):
        await expect_refusal(callers, "owner", f"player:{strange}")


@pytest.mark.parametrize("identity", ["other", "viewer", "service"])
async def test_what_is_no_name_is_invalid(callers: dict[str, Callers], identity: str) -> None:
    for name in NO_NAMES:
        answer = await join(callers[identity], name)
        assert not answer["ok"], name
        assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "room"), name


TEXTS = {
    "websocket": [
        '42["join",{0}]',
        '42["subscribe",{0}]',
        '42["room",{{"join":{0}}}]',
        '42["rooms.join",{0}]',
        '42["rooms.join",[{0}]]',
        '42["rooms.join",{{"room":[{0}]}}]',
        '42["rooms.join",{{"rooms":[{0}]}}]',
        '42["rooms.join",{{"room":{0}}},{{"room":{0}}}]',
        '42/{1},["rooms.join",{{"room":{0}}}]',
        "40/{1},",
        "40/,",
        '40{{"room":{0}}}',
        '430[{{"room":{0}}}]',
        '431[{{"ok":true,"data":{{"room":{0}}}}}]',
        '450-["rooms.join",{{"room":{0}}}]',
        '451-["rooms.join",{{"room":{0}}}]',
        "460-[{0}]",
        "6",
    ],
    "plain": [
        '{{"type":"subscribe","data":{{"room":{0}}}}}',
        '{{"type":"subscribe","room":{0}}}',
        '{{"type":"rooms.join","room":{0}}}',
        '{{"type":"rooms.join","data":{0}}}',
        '{{"type":"rooms.join","data":[{0}]}}',
        '{{"type":"rooms.join","data":{{"rooms":[{0}]}}}}',
        '{{"type":"rooms.join","data":{{"room":[{0}]}}}}',
        '{{"type":["rooms.join"],"data":{{"room":{0}}}}}',
        '{{"type":"rooms.joined","data":{{"room":{0},"verdict":"joined"}}}}',
        '{{"type":"auth.login","data":{{"room":{0}}}}}',
        '{{"ok":true,"data":{{"room":{0}}}}}',
        '{{"id":0,"ok":true,"data":{{"room":{0}}}}}',
        '["rooms.join",{{"room":{0}}}]',
        '42["rooms.join",{{"room":{0}}}]',
        "{0}",
        "{1}",
    ],
}
"""Texts that some library might take for a join; not one of them asks for it as we do."""


async def everything_happens(world: World, admin: Person) -> None:
    """The owner fights and is changed, and what the contracts have an admin do is done."""
    owner = world.owner
    await owner.ok("battles.join", battle_id=world.battle_id)
    await fight(owner, world.battle_id)
    await owner.ok("battles.claim", battle_id=world.battle_id)
    await admin.ok("users.update", user_id=owner.id, email=f"{owner.id}@example.org")
    for act in ACTS:
        await admin.ok(act.name, **act.data)


async def test_who_was_refused_hears_nothing_of_what_happens_then(
    world: World, callers: dict[str, Callers], admins: Iterator[LoggedIn], transport: Transport
) -> None:
    owner = world.owner
    rooms = {word: target.room(world.about) for word, target in TARGETS.items()}
    for word, target in TARGETS.items():
        for identity, of_them in callers.items():
            await join(of_them, "nothing")
            if identity not in target.open_to:
                await expect_refusal(callers, identity, rooms[word])
            speaker = await of_them.another(Limit.ROOM)  # of one there would be too many
            for text in TEXTS[transport]:
                speaker.send(text.format(json.dumps(rooms[word]), rooms[word]))
    listening: dict[str, Person] = {}
    for word in (word for word, target in TARGETS.items() if target.listener != "owner"):
        if TARGETS[word].listener == "admin":
            listening[word] = await Person(owner.url, next(admins)).connect()
        else:
            listening[word] = await connected(owner.url)
    for word, listener in listening.items():
        await listener.ok("rooms.join", room=rooms[word])
    for word in (word for word, target in TARGETS.items() if target.listener == "owner"):
        listening[word] = await Person(owner.url, owner.logged_in).connect()
        await listening[word].ok("rooms.join", room=rooms[word])

    await everything_happens(world, listening["user"])

    for word, listener in listening.items():
        await listener.until_event(TARGETS[word].event)
        await listener.close()
    for identity, of_them in callers.items():
        for connection in of_them.connections:
            # Whatever had been told before this is answered would have come before the answer.
            await connection.patiently("rooms.leave", {"room": "nothing"})
            assert connection.events == [], identity
            assert connection.is_open
