"""players.* by a real client."""

import asyncio

import pytest

from tests.support.battles import easy_battle, won_battle
from tests.support.people import Person, connected
from tests.support.roles import beside
from tests.support.server import Server


async def test_registering_gives_a_player(alice: Person) -> None:
    view = await alice.ok("players.get")
    assert view["player"]["level"] == 1
    assert view["player"]["gold"] == 1000
    assert view["player"]["gems"] == 0
    assert view["stamina"]["maximum"] == 100


async def test_stat_points_are_spent_one_for_one(alice: Person) -> None:
    for _ in range(2):  # 50 exp each: level 2 takes 100
        battle_id = await won_battle(alice)
        await alice.ok("battles.claim", battle_id=battle_id)
    before = (await alice.ok("players.get"))["player"]
    assert before["level"] >= 2
    after = (await alice.ok("players.allocate", attack=1, max_stamina=2))["player"]
    assert after["attack"] == before["attack"] + 1
    assert after["max_stamina"] == before["max_stamina"] + 2
    assert after["stat_points"] == before["stat_points"] - 3


async def test_points_that_are_not_there_are_refused(alice: Person) -> None:
    assert await alice.refused("players.allocate", attack=1) == ("refused", "not_enough_points")


async def test_allocating_nothing_is_invalid(alice: Person) -> None:
    answer = await alice.call("players.allocate")
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "attack"


async def test_allocating_less_than_nothing_is_invalid(alice: Person) -> None:
    answer = await alice.call("players.allocate", defense=-1)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "defense"


async def test_a_player_is_forbidden_without_the_permission(
    server: Server, service: Person
) -> None:
    for name in ("players.get", "players.allocate"):
        assert await service.refused(name) == ("forbidden", None)


async def test_a_changed_player_is_told_in_the_players_own_room(alice: Person) -> None:
    joined = await alice.ok("rooms.join", room=f"player:{alice.id}")
    assert joined["snapshot"]["player"]["gold"] == 1000
    battle_id = await won_battle(alice)
    claimed = await alice.ok("battles.claim", battle_id=battle_id)
    changed = await alice.until_event("players.changed", why="reward")
    assert changed["player"]["gold"] == claimed["total_gold"]


async def test_stamina_is_told_when_it_changes(alice: Person) -> None:
    await alice.ok("rooms.join", room=f"player:{alice.id}")
    await won_battle(alice)
    told = await alice.until_event("players.stamina", player_id=alice.id)
    assert told["stamina"]["amount"] <= told["stamina"]["maximum"]


@pytest.mark.parametrize("role", ["viewer", "agent", "player"])
async def test_whoever_may_connect_sees_players(server: Server, alice: Person, role: str) -> None:
    async with beside(server) as office:
        person = await Person(server.url, await office.person(role)).connect()
    listed = await person.ok("players.list", online=True, limit=200)
    ids = [profile["player_id"] for profile in listed["items"]]
    assert alice.id in ids
    assert (person.id in ids) == (role == "player")
    joined = await person.ok("rooms.join", room=f"profile:{alice.id}")
    assert joined["snapshot"] == next(p for p in listed["items"] if p["player_id"] == alice.id)
    await person.close()


async def test_players_are_counted(server: Server, alice: Person, service: Person) -> None:
    before = (await service.ok("rooms.join", room="players"))["snapshot"]
    bob = await connected(server.url)
    told = await service.until_event("players.counted", registered=before["registered"] + 1)
    assert told["online"] >= 2
    await bob.close()
    await service.until(lambda: service.named("players.counted")[-1]["online"] < told["online"])


async def test_a_profile_is_told_where_it_is_watched(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    joined = await bob.ok("rooms.join", room=f"profile:{alice.id}")
    assert joined["verdict"] == "joined"
    assert joined["snapshot"]["battle_id"] is None
    await alice.ok("battles.join", battle_id=battle_id)
    told = await bob.until_event("players.profile_changed")
    assert told["profile"] == {**joined["snapshot"], "battle_id": battle_id}
    await alice.close()
    await bob.until(lambda: not bob.named("players.profile_changed")[-1]["profile"]["online"])


async def test_who_comes_back_to_a_profile_is_told_how_it_is_now(
    alice: Person, bob: Person
) -> None:
    room = f"profile:{alice.id}"
    joined = await bob.ok("rooms.join", room=room)
    await bob.ok("rooms.leave", room=room)
    await alice.close()
    since = {"epoch": joined["epoch"], "seq": joined["seq"]}
    again = await bob.ok("rooms.join", room=room, since=since)
    assert again["verdict"] == "resumed"
    await bob.until(
        lambda: any(not told["profile"]["online"] for told in bob.named("players.profile_changed"))
    )


async def test_a_cursor_of_another_list_is_invalid(alice: Person) -> None:
    for online in (False, True):
        answer = await alice.call("players.list", cursor=alice.id, online=online)
        assert answer["error"]["code"] == "invalid"
        assert answer["error"]["field"] == "cursor"


async def test_the_joins_of_a_page_are_let_through(alice: Person) -> None:
    page = await alice.ok("players.list", limit=50)
    rooms = [f"profile:{profile['player_id']}" for profile in page["items"]] + ["players"]
    answers = await asyncio.gather(*(alice.call("rooms.join", room=room) for room in rooms))
    assert all(answer["ok"] for answer in answers)
