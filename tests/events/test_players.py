"""players.* by a real client."""

from tests.support.battles import won_battle
from tests.support.people import Person
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
