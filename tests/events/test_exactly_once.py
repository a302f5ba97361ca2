"""A retry with the same request_id gets the first reply and changes nothing."""

import asyncio

import pytest

from tests.support.battles import easy_battle, won_battle
from tests.support.people import Person, connected
from tests.support.server import Server


async def test_a_retry_gets_the_first_reply(alice: Person) -> None:
    battle_id = await won_battle(alice)
    claim = {"battle_id": battle_id, "request_id": "claim-1"}
    first = await alice.patiently("battles.claim", **claim)
    assert first["ok"]
    assert await alice.patiently("battles.claim", **claim) == first
    assert (await alice.ok("players.get"))["player"]["gold"] == first["data"]["total_gold"]


async def test_the_same_id_for_something_else_is_a_conflict(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id, request_id="r")
    answer = await alice.call("battles.chat", battle_id=battle_id, text="hi", request_id="r")
    assert answer["error"]["code"] == "conflict"
    assert answer["error"]["reason"] == "request_id_reused"
    assert answer["error"]["field"] == "request_id"


async def test_somebody_elses_id_reveals_nothing(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await bob.ok("battles.join", battle_id=battle_id)
    line = {"battle_id": battle_id, "text": "hi", "request_id": "shared"}
    await alice.ok("rooms.join", room=f"battle:{battle_id}")
    assert (await alice.call("battles.chat", line))["ok"]
    assert (await bob.call("battles.chat", line))["ok"]
    await alice.until(lambda: len(alice.named("battles.chat_said")) == 2)


async def test_a_refusal_keeps_no_reply(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    claim = {"battle_id": battle_id, "request_id": "too-early"}
    await alice.ok("battles.join", battle_id=battle_id)
    assert (await alice.call("battles.claim", claim))["error"]["reason"] == "not_over"
    await alice.ok("battles.leave", battle_id=battle_id)
    line = {"battle_id": await easy_battle(alice), "request_id": "too-early"}
    assert (await alice.call("battles.join", line))["ok"], "the id is free"


async def test_five_copies_at_once_over_three_connections_are_one(
    server: Server, alice: Person
) -> None:
    others = [await Person(server.url, alice.logged_in).connect() for _ in range(2)]
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await alice.ok("rooms.join", room=f"battle:{battle_id}")
    blow = {"battle_id": battle_id, "enemy_id": 1, "request_id": "blow"}
    people = [alice, *others, alice, others[0]]
    answers = await asyncio.gather(*(person.call("battles.attack", blow) for person in people))
    assert answers[0]["ok"]
    assert all(answer == answers[0] for answer in answers)
    await alice.ok("players.get")
    assert len(alice.named("battles.struck")) == 1
    for other in others:
        await other.close()


@pytest.mark.usefixtures("transport")
async def test_a_retry_after_a_restart_gets_the_first_reply(own_server: Server) -> None:
    alice = await connected(own_server.url)
    battle_id = await easy_battle(alice)
    join = {"battle_id": battle_id, "request_id": "join"}
    blow = {"battle_id": battle_id, "enemy_id": 1, "kind": "quick", "request_id": "blow"}
    joined, struck = (
        await alice.call("battles.join", join),
        await alice.call("battles.attack", blow),
    )
    assert joined["ok"]
    assert struck["ok"]
    await own_server.kill()
    await own_server.start()
    again = await Person(own_server.url, alice.logged_in).connect()
    seq = (await again.ok("battles.get", battle_id=battle_id))["seq"]
    assert await again.call("battles.attack", blow) == struck
    assert await again.call("battles.join", join) == joined
    assert (await again.ok("battles.get", battle_id=battle_id))["seq"] == seq
    await again.close()
    await alice.close()
