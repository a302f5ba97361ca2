"""People who go on making kept events in a battle."""

import asyncio
from typing import Any, Protocol, Self

from tests.support.follower import Follower
from tests.support.people import registered
from tests.support.server import Server


class Commander(Protocol):
    """Who carries out commands."""

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Carry out a command once, however often it takes. Returns the answer."""
        ...


async def come_and_go(who: Commander, battle_id: str, pace_s: float) -> None:
    """Take a seat and give it up, again and again: an event of the battle each time."""
    while True:
        for verb in ("join", "leave"):
            answer = await who.command(f"battles.{verb}", battle_id=battle_id)
            assert answer["ok"], answer
            await asyncio.sleep(pace_s)


async def strike_on(who: Commander, battle_id: str, enemy_id: int, blows: int) -> None:
    """Take a seat and strike an enemy so often."""
    assert (await who.command("battles.join", battle_id=battle_id))["ok"]
    for _ in range(blows):
        await who.command("battles.attack", battle_id=battle_id, enemy_id=enemy_id, kind="quick")


class Crowd:
    """So many people, who are at a server directly, whatever becomes of the others."""

    def __init__(self, server: Server, battle_id: str, people: int, pace_s: float) -> None:
        self._server = server
        self._battle_id = battle_id
        self._people = people
        self._pace_s = pace_s
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        for place in range(self._people):
            person = Follower(self._server.url, await registered(self._server.url))
            self._tasks.append(asyncio.create_task(person.run()))
            self._tasks.append(asyncio.create_task(self._stir(person, place)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.end()

    async def _stir(self, person: Follower, place: int) -> None:
        if place == 0:
            # Not enough for an enemy to fall: a battle that is over would be quiet.
            await strike_on(person, self._battle_id, 1, 3)
        await come_and_go(person, self._battle_id, self._pace_s)

    async def end(self) -> None:
        """Be quiet. Raises what went wrong."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError) and result is not None:
                raise result
