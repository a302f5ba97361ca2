"""connections.* by real clients: who is there, and who is let go."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from protocol.ids import uuid7
from tests.support.people import Person, connected
from tests.support.polling import Polling
from tests.support.server import Server
from tests.support.wire import Transport, Wire

UNKNOWN = "01a20622-9de7-7967-8b71-288684b33bd5"
WORDS = "You have been here for long enough: come back later 🐉"


async def of(admin: Person, who: Person) -> list[dict[str, Any]]:
    """The connections of somebody."""
    items: list[dict[str, Any]] = (await admin.ok("connections.list", user_id=who.id))["items"]
    return items


async def test_a_connection_is_shown_as_it_is(
    admin: Person, alice: Person, transport: Transport
) -> None:
    await alice.ok("rooms.join", room=f"player:{alice.id}")
    await alice.ok("rooms.join", room="battles")
    (view,) = await of(admin, alice)
    assert alice.logged_in is not None
    assert view["name"] == alice.logged_in.user.username
    assert (view["user_id"], view["role"]) == (alice.id, "player")
    assert (view["transport"], view["address"]) == (transport, "127.0.0.1")
    assert (view["rooms"], view["room_count"]) == (["battles", f"player:{alice.id}"], 2)
    assert view["received"] == 2
    assert view["sent"] >= 2
    assert (view["queued"], view["queued_bytes"]) == (0, 0)
    await alice.ok("players.get")
    (later,) = await of(admin, alice)
    assert (later["received"], later["connection_id"]) == (3, view["connection_id"])
    assert later["sent"] > view["sent"]


async def test_a_service_has_no_role_and_polling_is_told(
    server: Server, admin: Person, service: Person, alice: Person, transport: Transport
) -> None:
    assert alice.logged_in is not None
    polled = await Person(server.url, alice.logged_in).connect("polling")
    newest = (await admin.ok("connections.list", limit=1))["items"][0]
    assert (newest["user_id"], newest["transport"]) == (alice.id, "polling")
    transports = [view["transport"] for view in await of(admin, alice)]
    assert transports == ["polling", transport]
    listed = (await admin.ok("connections.list", limit=200))["items"]
    assert [view["role"] for view in listed if view["name"].startswith("service ")] != []
    assert {view["role"] for view in listed if view["name"].startswith("service ")} == {None}
    await polled.close()


async def test_all_are_listed_once_newest_first(server: Server, admin: Person) -> None:
    people = [await connected(server.url) for _ in range(5)]
    seen: list[str] = []
    cursor = None
    while True:
        page = await admin.ok("connections.list", limit=2, cursor=cursor)
        seen += [view["user_id"] for view in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert [who for who in seen if who in {p.id for p in people}] == [p.id for p in people[::-1]]
    for person in people:
        await person.close()


@pytest.mark.parametrize("cursor", ["x", "-1", "1" * 40, "٣"])
async def test_a_cursor_is_one_that_was_given(admin: Person, cursor: str) -> None:
    answer = await admin.patiently("connections.list", cursor=cursor)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "cursor")


async def test_who_is_let_go_hears_why_and_may_come_back(
    server: Server, admin: Person, alice: Person
) -> None:
    (view,) = await of(admin, alice)
    fields = {"connection_id": view["connection_id"], "reason": WORDS, "request_id": uuid7()}
    assert await admin.ok("connections.disconnect", **fields) == {}
    await alice.until_closed()
    assert alice.named("server.evicted") == [{"reason": "disconnected", "message": WORDS}]
    assert await of(admin, alice) == []
    back = await Person(server.url, alice.logged_in).connect()
    # The same command again gets the same answer, and lets nobody else go.
    assert await admin.ok("connections.disconnect", **fields) == {}
    del fields["request_id"]
    assert await admin.refused("connections.disconnect", **fields) == ("not_found", None)
    await back.ok("players.get")
    await back.close()


async def test_the_words_reach_who_polls(server: Server, admin: Person, alice: Person) -> None:
    assert alice.logged_in is not None
    async with aiohttp.ClientSession() as session:
        polling = await Polling(session, server.url).log_in(
            token=alice.logged_in.tokens.access_token
        )
        asking = asyncio.create_task(polling.poll())
        view = next(v for v in await of(admin, alice) if v["transport"] == "polling")
        await admin.ok("connections.disconnect", connection_id=view["connection_id"], reason=WORDS)
        name, data, _ = json.loads((await asking).packets[0][2:])
        assert (name, data) == ("server.evicted", {"reason": "disconnected", "message": WORDS})


async def test_ones_own_connection_is_closed_after_the_answer(
    server: Server, admin: Person
) -> None:
    assert admin.logged_in is not None
    own = await Wire.connect(server.url, token=admin.logged_in.tokens.access_token)
    mine = (await own.call("connections.list", {"user_id": admin.id, "limit": 1}))["data"]["items"]
    answer = await own.call(
        "connections.disconnect", {"connection_id": mine[0]["connection_id"], "reason": "bye"}
    )
    assert answer == {"ok": True, "data": {}}
    await own.until_closed()
    assert [data for name, data, _ in own.events] == [{"reason": "disconnected", "message": "bye"}]
    assert len(await of(admin, admin)) == 1


async def test_what_is_not_there_can_not_be_closed(admin: Person) -> None:
    fields = {"connection_id": UNKNOWN, "reason": "x"}
    assert await admin.refused("connections.disconnect", **fields) == ("not_found", None)


@pytest.mark.parametrize("reason", ["", "x" * 201, "two\nlines", None, 7])
async def test_the_reason_is_a_line(admin: Person, reason: Any) -> None:
    answer = await admin.patiently("connections.disconnect", connection_id=UNKNOWN, reason=reason)
    assert (answer["error"]["code"], answer["error"]["field"]) == ("invalid", "reason")


@pytest.mark.parametrize("name", ["list", "disconnect"])
async def test_connections_are_for_whoever_administers(
    alice: Person, service: Person, name: str
) -> None:
    for nosy in (alice, service):
        refusal = await nosy.refused(f"connections.{name}", connection_id=UNKNOWN, reason="x")
        assert refusal == ("forbidden", None)


async def test_who_watches_is_told_how_many_there_are(server: Server, service: Person) -> None:
    before = (await service.ok("rooms.join", room="connections"))["snapshot"]
    assert before["services"] >= 1
    people = [await connected(server.url) for _ in range(2)]
    again = await Person(server.url, people[0].logged_in).connect()
    expected = {**before, "people": before["people"] + 2, "connections": before["connections"] + 3}
    await service.until_event("connections.counted", **expected)
    for person in (*people, again):
        await person.close()
    await service.until_event("connections.counted", **before)
    answer = await service.ok("rooms.join", room="connections")
    assert answer["snapshot"] == before
    resumed = await service.ok(
        "rooms.join", room="connections", since={"epoch": answer["epoch"], "seq": answer["seq"]}
    )
    assert resumed["verdict"] == "resumed"


async def test_how_many_there_are_is_for_who_reads(alice: Person) -> None:
    assert await alice.refused("rooms.join", room="connections") == ("forbidden", None)
