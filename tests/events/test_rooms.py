"""Joining rooms: verdicts, what follows them, and the law: old snapshot + events = new snapshot."""

from typing import Any

import msgspec
import pytest

from protocol.battles import Battle
from protocol.message import find
from protocol.players import PlayerChanged
from server.battles.state import apply
from tests.support.battles import easy_battle, fight, strike, won_battle
from tests.support.people import Person
from tests.support.server import Server


async def test_a_first_join_gives_a_snapshot(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    joined = await alice.ok("rooms.join", room=f"battle:{battle_id}")
    assert joined["verdict"] == "joined"
    assert joined["snapshot"]["battle_id"] == battle_id
    assert joined["seq"] == joined["snapshot"]["seq"] == 1


async def test_events_are_numbered_without_a_gap(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    joined = await alice.ok("rooms.join", room=f"battle:{battle_id}")
    await alice.ok("battles.join", battle_id=battle_id)
    for _ in range(4):
        await strike(alice, battle_id, 1, kind="quick")
    metas = [meta for _, _, meta in alice.events if meta["room"] == f"battle:{battle_id}"]
    assert [meta["seq"] for meta in metas] == list(range(2, 2 + len(metas)))
    assert {meta["epoch"] for meta in metas} == {joined["epoch"]}


async def test_nothing_missed_is_resumed(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    first = await alice.ok("rooms.join", room=room)
    since = {"epoch": first["epoch"], "seq": first["seq"]}
    again = await alice.ok("rooms.join", room=room, since=since)
    assert again["verdict"] == "resumed"
    assert "snapshot" not in again


async def test_what_was_missed_follows_the_verdict_in_order(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    first = await bob.ok("rooms.join", room=room)
    await bob.ok("rooms.leave", room=room)
    await alice.ok("battles.join", battle_id=battle_id)
    for _ in range(3):
        await strike(alice, battle_id, 1, kind="quick")
    since = {"epoch": first["epoch"], "seq": first["seq"]}
    answer = await bob.ok("rooms.join", room=room, since=since)
    assert answer["verdict"] == "gap_filled"
    await bob.until(lambda: len(bob.named("battles.struck")) == 3)
    numbers = [meta["seq"] for _, _, meta in bob.events]
    assert numbers == list(range(first["seq"] + 1, answer["seq"] + 1))
    assert answer["missed"] == len(numbers)


@pytest.mark.parametrize(
    ("since", "reason"),
    [
        ({"epoch": "another", "seq": 1}, "epoch_changed"),
        ({"seq": 10**6}, "ahead"),
    ],
)
async def test_a_number_that_never_was_is_reset(
    alice: Person, since: dict[str, Any], reason: str
) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    epoch = (await alice.ok("rooms.join", room=room))["epoch"]
    answer = await alice.ok("rooms.join", room=room, since={"epoch": epoch, **since})
    assert answer["verdict"] == "reset"
    assert answer["reason"] == reason
    assert answer["snapshot"]["battle_id"] == battle_id


async def test_after_leaving_nothing_is_told(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    room = f"battle:{battle_id}"
    await bob.ok("rooms.join", room=room)
    await bob.ok("rooms.leave", room=room)
    await alice.ok("battles.join", battle_id=battle_id)
    await bob.ok("players.get")
    assert bob.events == []


@pytest.mark.parametrize(
    "room", ["battle:*", "battle:", "battle", "battles:1", "player:*", "nothing", ":", "server"]
)
async def test_rooms_that_are_not_are_not_found(alice: Person, room: str) -> None:
    assert await alice.refused("rooms.join", room=room) == ("not_found", None)


async def test_another_players_room_is_as_if_it_were_not(alice: Person, bob: Person) -> None:
    answer = await alice.call("rooms.join", room=f"player:{bob.id}")
    unknown = await alice.call("rooms.join", room="player:01a20622-9de7-7967-8b71-288684b33bd5")
    assert answer == unknown
    assert answer["error"]["code"] == "not_found"


@pytest.mark.parametrize("room", ["battles", "battle:01a20622-9de7-7967-8b71-288684b33bd5"])
async def test_rooms_are_forbidden_without_the_permission(service: Person, room: str) -> None:
    assert await service.refused("rooms.join", room=room) == ("forbidden", None)


@pytest.mark.parametrize("room", [None, [], ["battles"], "", "x" * 101])
async def test_a_room_that_is_no_name_is_invalid(alice: Person, room: Any) -> None:
    answer = await alice.call("rooms.join", room=room)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "room"


async def test_the_law_for_a_battle(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(bob)
    room = f"battle:{battle_id}"
    stale = await alice.ok("rooms.join", room=room)
    for person in (alice, bob):
        await person.ok("battles.join", battle_id=battle_id)
    await bob.ok("battles.chat", battle_id=battle_id, text="go")
    await strike(bob, battle_id, 1)
    await alice.ok("battles.leave", battle_id=battle_id)
    await bob.close()  # seen as away
    await alice.until_event("battles.player_away")
    battle = msgspec.convert(stale["snapshot"], Battle)
    for name, data, meta in alice.events:
        if meta["room"] == room:
            spec = find(name)
            assert spec is not None
            battle = apply(battle, msgspec.convert(data, spec.type))
    fresh = await alice.ok("rooms.join", room=room)
    assert battle == msgspec.convert(fresh["snapshot"], Battle)


async def test_the_law_for_a_line(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(bob)
    room = f"listing:{battle_id}"
    stale = await alice.ok("rooms.join", room=room)
    assert stale["snapshot"]["status"] == "waiting"
    await bob.ok("battles.join", battle_id=battle_id)
    await fight(bob, battle_id)
    fresh = await alice.ok("rooms.join", room=room)
    told = [
        (data, meta["seq"])
        for name, data, meta in alice.events
        if meta["room"] == room and name == "battles.listed"
    ]
    assert [seq for _, seq in told] == list(range(stale["seq"] + 1, fresh["seq"] + 1))
    assert told[-1][0]["battle"] == fresh["snapshot"]
    assert fresh["snapshot"]["status"] == "completed"


async def test_a_blow_is_not_told_to_lists(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(bob)
    await bob.ok("battles.join", battle_id=battle_id)
    before = await alice.ok("rooms.join", room=f"listing:{battle_id}")
    await strike(bob, battle_id, 1, kind="quick")
    after = await alice.ok("rooms.join", room=f"listing:{battle_id}")
    assert after["seq"] == before["seq"]


async def test_the_law_for_a_player(alice: Person) -> None:
    room = f"player:{alice.id}"
    stale = await alice.ok("rooms.join", room=room)
    battle_id = await won_battle(alice)
    await alice.ok("battles.claim", battle_id=battle_id)
    fresh = await alice.ok("rooms.join", room=room)
    player = stale["snapshot"]["player"]
    for name, data, meta in alice.events:
        if meta["room"] == room and name == "players.changed" and meta["seq"] <= fresh["seq"]:
            player = msgspec.to_builtins(msgspec.convert(data, PlayerChanged).player)
    assert player == fresh["snapshot"]["player"]
    assert player["gold"] > stale["snapshot"]["player"]["gold"]


async def test_a_second_connection_of_one_person_sees_the_same(
    server: Server, alice: Person
) -> None:
    assert alice.logged_in is not None
    other = await Person(server.url, alice.logged_in).connect("polling")
    battle_id = await easy_battle(alice)
    for person in (alice, other):
        await person.ok("rooms.join", room=f"battle:{battle_id}")
    await alice.ok("battles.join", battle_id=battle_id)
    told = await other.until_event("battles.wave_started")
    assert told == alice.named("battles.wave_started")[0]
    await other.close()
