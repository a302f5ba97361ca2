"""battles.* by real clients."""

from pathlib import Path
from typing import Any

import pytest

from tests.contracts import battles
from tests.contracts.contract import UNKNOWN
from tests.support.battles import easy_battle, fight, strike, won_battle
from tests.support.people import Person, connected
from tests.support.server import Server

pytestmark = pytest.mark.pairwise

FIELDS: dict[str, dict[str, Any]] = {
    name.partition(".")[2]: {k: v for k, v in needs.data.items() if k != "battle_id"}
    for name, needs in battles.CONTRACT.messages.items()
    if "battle_id" in needs.data
}
ON_A_BATTLE = tuple(FIELDS)


async def test_joining_starts_the_battle_and_everybody_sees_it(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    await bob.ok("rooms.join", room=f"battle:{battle_id}")
    seated = await alice.ok("battles.join", battle_id=battle_id)
    assert seated["seat"]["attack"] == 20  # 10 of their own, 10 of the starter kit
    await bob.until_event("battles.started")
    wave = await bob.until_event("battles.wave_started", wave=1)
    assert len(wave["enemies"]) == 3
    battle = await bob.ok("battles.get", battle_id=battle_id)
    assert battle["status"] == "in_progress"
    assert list(battle["seats"]) == [alice.id]


async def test_joining_again_returns_to_the_same_seat(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    first = await alice.ok("battles.join", battle_id=battle_id)
    assert await alice.ok("battles.join", battle_id=battle_id) == first


async def test_a_second_seat_elsewhere_is_refused(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    other = await easy_battle(alice)
    answer = await alice.call("battles.join", battle_id=other)
    assert answer["error"]["code"] == "refused"
    assert answer["error"]["reason"] == "seated_elsewhere"
    assert answer["error"]["details"] == {"battle_id": battle_id}


async def test_a_level_that_is_too_low_is_refused(alice: Person) -> None:
    page = await alice.ok("battles.list", status="waiting")
    hard = next((b for b in page["items"] if b["required_level"] > 1), None)
    assert hard is not None, "the pool offers battles for higher levels too"
    refusal = await alice.refused("battles.join", battle_id=hard["battle_id"])
    assert refusal == ("refused", "level_too_low")


async def test_a_list_without_a_status_is_of_what_is_open(alice: Person) -> None:
    over = await won_battle(alice)
    under_way = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=under_way)
    page = await alice.ok("battles.list", limit=200)
    status = {line["battle_id"]: line["status"] for line in page["items"]}
    assert over not in status
    assert status[under_way] == "in_progress"
    assert "waiting" in status.values()
    ids = list(status)
    assert ids == sorted(ids, reverse=True)


async def test_a_line_is_told_when_it_changes_and_when_it_is_over(
    alice: Person, bob: Person
) -> None:
    battle_id = await easy_battle(alice)
    joined = await bob.ok("rooms.join", room=f"listing:{battle_id}")
    assert joined["snapshot"]["players"] == 0
    await alice.ok("battles.join", battle_id=battle_id)
    told = await bob.until_event("battles.listed")
    assert (told["battle"]["players"], told["battle"]["status"]) == (1, "in_progress")
    await fight(alice, battle_id)
    await bob.until(lambda: bob.named("battles.listed")[-1]["battle"]["status"] == "completed")


async def test_a_line_of_no_battle_is_not_found(alice: Person) -> None:
    assert await alice.refused("rooms.join", room=f"listing:{UNKNOWN}") == ("not_found", None)


async def test_lists_and_lines_are_forbidden_to_who_may_not_play(service: Person) -> None:
    for room in ("battles", f"listing:{UNKNOWN}"):
        assert await service.refused("rooms.join", room=room) == ("forbidden", None)
    assert await service.refused("battles.list") == ("forbidden", None)


async def test_a_taken_battle_is_replaced_in_the_pool(alice: Person) -> None:
    before = await easy_battle(alice)
    joined = await alice.ok("rooms.join", room="battles")
    await alice.ok("battles.join", battle_id=before)
    counted = await alice.until(
        lambda: [
            told
            for told in alice.named("battles.counted")
            if told["in_progress"] > joined["snapshot"]["in_progress"]
            and told["newest_id"] > joined["snapshot"]["newest_id"]
        ]
    )
    assert counted[-1]["waiting"] == joined["snapshot"]["waiting"]
    assert await easy_battle(alice) != before


async def test_a_blow_is_told_before_it_is_answered(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    for person in (alice, bob):
        await person.ok("rooms.join", room=f"battle:{battle_id}")
    answer = await strike(alice, battle_id, 1, kind="quick")
    (told,) = alice.named("battles.struck")
    assert told["damage"] == answer["data"]["damage"] > 0
    assert told["enemy_hp"] == answer["data"]["enemy_hp"]
    assert told["stamina"] == answer["data"]["stamina"]
    assert await bob.until_event("battles.struck") == told


@pytest.mark.usefixtures("transport")
async def test_stamina_runs_out(tmp_path: Path) -> None:
    async with Server(tmp_path / "data", STAMINA_REGEN_INTERVAL="3600") as server:
        alice = await connected(server.url)
        battle_id = await easy_battle(alice)
        await alice.ok("battles.join", battle_id=battle_id)
        blow = {"battle_id": battle_id, "kind": "ultimate"}
        for enemy_id in (1, 2):
            await alice.ok("battles.attack", enemy_id=enemy_id, **blow)
        refusal = await alice.refused("battles.attack", enemy_id=3, **blow)
        assert refusal == ("refused", "exhausted")
        await alice.close()


async def test_a_number_that_a_client_makes_up_is_refused(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    answer = await alice.call("battles.attack", battle_id=battle_id, enemy_id=1, damage=100)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "damage"


async def test_a_battle_is_won_and_its_reward_claimed_once(alice: Person, bob: Person) -> None:
    battle_id = await won_battle(alice, bob)
    battle = await alice.ok("battles.get", battle_id=battle_id)
    assert battle["status"] == "completed"
    for person in (alice, bob):
        reward = battle["seats"][person.id]["reward"]
        assert reward["gold"] in (100, 120)
        claimed = await person.ok("battles.claim", battle_id=battle_id)
        assert claimed["gold"] == reward["gold"]
        assert claimed["total_gold"] == 1000 + reward["gold"]
        refusal = await person.refused("battles.claim", battle_id=battle_id)
        assert refusal == ("refused", "already_claimed")
        (entry,) = (await person.ok("battles.history"))["items"]
        assert entry["battle_id"] == battle_id
        assert entry["reward"] == {**reward, "claimed": True}


async def test_history_is_paged(alice: Person) -> None:
    ids = [await won_battle(alice) for _ in range(2)]
    first = await alice.ok("battles.history", limit=1)
    assert [entry["battle_id"] for entry in first["items"]] == ids[1:]
    second = await alice.ok("battles.history", limit=1, cursor=first["next"])
    assert [entry["battle_id"] for entry in second["items"]] == ids[:1]
    assert second["next"] is None


async def test_nothing_is_claimed_before_the_end(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    assert await alice.refused("battles.claim", battle_id=battle_id) == ("refused", "not_over")


async def test_whoever_took_no_part_has_no_reward(alice: Person, bob: Person) -> None:
    battle_id = await won_battle(alice)
    assert await bob.refused("battles.claim", battle_id=battle_id) == ("refused", "no_reward")


async def test_what_is_over_stays_over(alice: Person, bob: Person) -> None:
    battle_id = await won_battle(alice)
    assert await bob.refused("battles.join", battle_id=battle_id) == ("refused", "over")
    for name in ("attack", "leave", "revive"):
        fields = FIELDS.get(name, {})
        refusal = await alice.refused(f"battles.{name}", battle_id=battle_id, **fields)
        assert refusal == ("refused", "over")


@pytest.mark.parametrize("name", ["attack", "leave", "revive", "chat"])
async def test_spectators_watch_and_do_not_act(alice: Person, bob: Person, name: str) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await bob.ok("rooms.join", room=f"battle:{battle_id}")
    fields = FIELDS.get(name, {})
    refusal = await bob.refused(f"battles.{name}", battle_id=battle_id, **fields)
    assert refusal == ("refused", "not_seated")


async def test_who_stands_is_not_revived(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    assert await alice.refused("battles.revive", battle_id=battle_id) == ("refused", "not_down")


async def test_an_enemy_that_never_was_is_not_found(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    refusal = await alice.refused("battles.attack", battle_id=battle_id, enemy_id=77)
    assert refusal == ("not_found", None)


async def test_a_defeated_enemy_is_left_alone(alice: Person) -> None:
    battle_id = await won_battle(alice)
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    while (answer := await strike(alice, battle_id, 1))["ok"]:
        pass
    assert answer["error"]["reason"] == "enemy_defeated"


async def test_leaving_gives_the_seat_up_and_keeps_the_damage(alice: Person, bob: Person) -> None:
    battle_id = await easy_battle(alice)
    for person in (alice, bob):
        await person.ok("battles.join", battle_id=battle_id)
    struck = await strike(alice, battle_id, 1)
    await alice.ok("battles.leave", battle_id=battle_id)
    await fight(bob, battle_id)
    battle = await alice.ok("battles.get", battle_id=battle_id)
    seat = battle["seats"][alice.id]
    assert seat["seated"] is False
    assert seat["damage"] == struck["data"]["damage"]
    assert (await alice.ok("battles.claim", battle_id=battle_id))["gold"] == 100


async def test_chat_reaches_everybody_as_it_was_said(alice: Person, bob: Person) -> None:
    text = '<img src=x onerror="alert(1)"> ünïcode 🐉'
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    await bob.ok("rooms.join", room=f"battle:{battle_id}")
    await alice.ok("battles.chat", battle_id=battle_id, text=text)
    told = await bob.until_event("battles.chat_said")
    assert told["line"]["text"] == text
    assert told["line"]["player_id"] == alice.id


@pytest.mark.parametrize("text", ["", "x" * 201, "two\nlines", 7, None])
async def test_chat_that_is_no_line_is_invalid(alice: Person, text: Any) -> None:
    answer = await alice.call("battles.chat", battle_id=UNKNOWN, text=text)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "text"


async def test_chat_is_limited(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    answers = [await alice.call("battles.chat", battle_id=battle_id, text="a") for _ in range(7)]
    codes = [None if a["ok"] else a["error"]["code"] for a in answers]
    assert codes == [None] * 5 + ["rate_limited"] * 2
    assert answers[-1]["error"]["retry_after_ms"] > 0


@pytest.mark.parametrize("name", ON_A_BATTLE)
async def test_a_battle_that_is_not_is_not_found(alice: Person, name: str) -> None:
    fields = FIELDS.get(name, {})
    refusal = await alice.refused(f"battles.{name}", battle_id=UNKNOWN, **fields)
    assert refusal == ("not_found", None)


@pytest.mark.parametrize("name", ON_A_BATTLE)
async def test_an_id_that_is_none_is_invalid(alice: Person, name: str) -> None:
    fields = FIELDS.get(name, {})
    answer = await alice.call(f"battles.{name}", battle_id="*", **fields)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "battle_id"


@pytest.mark.parametrize("name", [*ON_A_BATTLE, "list", "history"])
async def test_battles_are_forbidden_without_the_permission(service: Person, name: str) -> None:
    assert await service.refused(f"battles.{name}", battle_id=UNKNOWN) == ("forbidden", None)


@pytest.mark.parametrize("name", ["list", "history"])
async def test_a_page_is_no_larger_than_its_limit(alice: Person, name: str) -> None:
    answer = await alice.call(f"battles.{name}", limit=201)
    assert answer["error"]["code"] == "invalid"
    assert answer["error"]["field"] == "limit"
