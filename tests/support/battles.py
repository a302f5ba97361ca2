"""Playing battles."""

import asyncio
from typing import Any

from tests.support.people import Person

PATIENCE = 400


async def easy_battle(person: Person) -> str:
    """The id of an easy battle that waits. One that was just taken is replaced in a moment."""
    await person.ok("rooms.join", room="battles")
    while True:
        told = len(person.named("battles.counted"))
        if (battle_id := await _waiting(person)) is not None:
            break
        await person.until(lambda told=told: len(person.named("battles.counted")) > told)
    await person.ok("rooms.leave", room="battles")
    person.events[:] = [told for told in person.events if told[2]["room"] != "battles"]
    return battle_id


async def _waiting(person: Person) -> str | None:
    page = await person.ok("battles.list", status="waiting")
    easy = (battle for battle in page["items"] if battle["difficulty"] == "easy")
    return next((str(battle["battle_id"]) for battle in easy), None)


async def strike(person: Person, battle_id: str, enemy_id: int, **fields: Any) -> dict[str, Any]:
    """Strike once, waiting for stamina as a player would: until there is some."""
    for _ in range(PATIENCE):
        answer = await person.patiently(
            "battles.attack", battle_id=battle_id, enemy_id=enemy_id, **fields
        )
        if answer["ok"] or answer["error"].get("reason") != "exhausted":
            return answer
        await person.ok("players.get")  # an answer's time, and there is some more
    raise AssertionError("no strike went through")


async def fight(person: Person, battle_id: str) -> None:
    """Strike until the battle is over."""
    while True:
        battle = await person.ok("battles.get", battle_id=battle_id)
        living = [enemy for enemy in battle["enemies"] if enemy["hp"] > 0]
        if battle["status"] != "in_progress" or not living:
            return
        await strike(person, battle_id, living[0]["enemy_id"], kind="ultimate")


async def won_battle(*people: Person) -> str:
    """A battle that these have won together."""
    battle_id = await easy_battle(people[0])
    for person in people:
        await person.ok("battles.join", battle_id=battle_id)
    await asyncio.gather(*(fight(person, battle_id) for person in people))
    return battle_id
