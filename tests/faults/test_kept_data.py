"""Data of versions before this one: opened, gone on with, and asked again for what was answered."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.battles import strike
from tests.support.engines import database
from tests.support.kept_data import ENGINES
from tests.support.opened_data import VERSIONS, Kept, ask_again, come_back
from tests.support.people import Person
from tests.support.postgres import Postgres
from tests.support.verified import verified

FIRST_WITH_ACTORS: Final = "0010"
COUNTED = (
    "select count(*) from room_events where request_id is not null",
    "select count(*) from kept_replies",
    "select count(*) from users",
)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    """Each that has left data."""
    return str(request.param)


@pytest.fixture(params=[ENGINES[0], pytest.param(ENGINES[1], marks=pytest.mark.postgres)])
async def kept(
    request: pytest.FixtureRequest, tmp_path: Path, version: str, postgres: Postgres | None
) -> Kept:
    """What it has left on each engine."""
    url = await database(request.param, postgres, tmp_path / "data" / "warroom.db")
    return Kept(tmp_path, version, request.param, url)


@asynccontextmanager
async def alice_at(kept: Kept) -> AsyncIterator[Person]:
    """A server on what is kept, and she is back."""
    async with kept.server:
        person = await come_back(kept, "alice")
        yield person
        await person.close()
    await verified(kept.url)


async def test_a_later_version_goes_on_where_this_one_was_killed(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        battle_id, room = kept.known["battle_id"], f"battle:{kept.known['battle_id']}"
        # Nothing was missed: the numbering is the same.
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert joined["verdict"] == "gap_filled"
        now = await alice.ok("battles.get", battle_id=battle_id)
        before = kept.known["battle"]
        assert [e["type"] for e in now["enemies"]] == [e["type"] for e in before["enemies"]]
        assert (await strike(alice, battle_id, 1))["ok"]
        assert (await alice.call("battles.chat", battle_id=battle_id, text="and on"))["ok"]


async def test_events_from_before_actors_were_recorded_have_none(kept: Kept, version: str) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        battle_id, room = kept.known["battle_id"], f"battle:{kept.known['battle_id']}"
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert joined["missed"] > 0
        await alice.until(lambda: len(_of(alice, room)) >= joined["missed"])
        before = [meta for meta in _of(alice, room) if meta["seq"] <= joined["seq"]]
        recorded = version >= FIRST_WITH_ACTORS
        # What this version adds at its start, such as seats that are away, has one.
        then = [meta for meta in before if meta["at"] <= kept.known["at"]]
        assert len(then) >= 4
        assert {"actor" in meta for meta in then} == {recorded}
        await alice.ok("battles.chat", battle_id=battle_id, text="here")
        await alice.until_event("battles.chat_said")
        assert _of(alice, room)[-1]["actor"] == f"user:{alice.id}"


def _of(person: Person, room: str) -> list[dict[str, Any]]:
    """The metadata of the kept events of a room, as they came."""
    return [meta for _, _, meta in person.events if meta["room"] == room and "seq" in meta]


async def test_a_retry_across_the_upgrade_gets_the_first_reply(kept: Kept) -> None:
    await kept.put()
    async with alice_at(kept) as alice:
        before = [await kept.server.rows(counted) for counted in COUNTED]
        await ask_again(kept, alice)
        assert [await kept.server.rows(counted) for counted in COUNTED] == before


async def test_its_backup_is_restored(kept: Kept) -> None:
    await kept.restore()
    async with alice_at(kept) as alice:
        room = f"battle:{kept.known['battle_id']}"
        joined = await alice.ok("rooms.join", room=room, since=kept.known["since"])
        assert (joined["verdict"], joined["reason"]) == ("reset", "epoch_changed")
        await ask_again(kept, alice)
