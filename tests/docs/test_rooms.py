"""What PROTOCOL.md says that a room's snapshot is, a server gives."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest

from protocol.domains import load
from protocol.message import find
from protocol.rooms import KINDS
from tests.contracts import ROOMS
from tests.contracts.contract import About
from tests.support.markdown import PROTOCOL, chapter, rows
from tests.support.people import Person
from tests.support.roles import beside
from tests.support.server import Server

SNAPSHOTS: Final = {
    row[0].strip("`"): row[2]
    for row in rows(chapter(PROTOCOL.read_text(), "Rooms"))
    if len(row) == 4  # room, permission, snapshot, content
}


def form(said: str) -> Any:
    """The type that a cell names: [`Battle`](#battle), or that of an event."""
    (name,) = re.findall(r"\[`([\w.]+)`\]", said)
    modules = load()
    if (spec := find(name)) is not None:
        return spec.type
    (found,) = {vars(m)[name] for m in modules if name in vars(m)}
    return found


def test_every_kind_of_room_is_shown() -> None:
    assert SNAPSHOTS.keys() == {kind.pattern for kind in KINDS.values()}


@pytest.fixture
async def admin(server: Server) -> AsyncIterator[Person]:
    """Somebody who may join every room."""
    async with beside(server) as office:
        logged_in = await office.person("admin")
    person = await Person(server.url, logged_in).connect()
    yield person
    await person.close()


@pytest.mark.parametrize("pattern", SNAPSHOTS)
async def test_the_snapshot_is_what_is_said(admin: Person, pattern: str) -> None:
    battle = (await admin.ok("battles.list", limit=1))["items"][0]["battle_id"]
    room = ROOMS[pattern.partition(":")[0]].room(About(admin.id, battle))
    assert room.partition(":")[0] == pattern.partition(":")[0]
    joined = await admin.ok("rooms.join", room=room)
    snapshot = joined["snapshot"]
    told = msgspec.convert(snapshot, form(SNAPSHOTS[pattern]))
    assert msgspec.json.decode(msgspec.json.encode(told)) == snapshot
