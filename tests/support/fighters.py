"""Players that fight on, and remember what they were promised."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from protocol.errors import Code
from protocol.ids import uuid7
from server.auth.turns import MAX_OF_NETWORK, HashKind
from tests.support.people import Person, registered
from tests.support.server import Server

AGAIN_MS = 100

Command = tuple[str, dict[str, Any]]


class Fighter:
    """Joins battles, strikes and claims until it is cut off; then again from where it was."""

    def __init__(self, person: Person, on_ack: Callable[[], None]) -> None:
        self.person = person
        self.acked: dict[str, tuple[Command, Any]] = {}
        self.seen: dict[tuple[str, int], tuple[str, Any]] = {}
        self.pending: Command | None = None
        self.slowest_s = 0.0
        self.put_off = 0
        self._on_ack = on_ack
        self._battle_id: str | None = None

    @classmethod
    async def new(cls, server: Server, on_ack: Callable[[], None]) -> "Fighter":
        """Somebody who has registered."""
        return cls(Person(server.url, await registered(server.url)), on_ack)

    async def fight(self) -> None:
        """Fight until cancelled."""
        await self.back()
        while True:
            if self._battle_id is None:
                await self._find_battle()
            else:
                await self._fight_on(self._battle_id)

    async def back(self) -> None:
        """Connect anew, find out what became of the command under way, go on in the battle."""
        self.remember()
        self.person = await Person(self.person.url, self.person.logged_in).connect()
        if self.pending is not None:
            name, fields = self.pending
            answer = await self._send(name, fields)
            if name == "battles.join" and answer["ok"]:
                self._battle_id = fields["battle_id"]
        if self._battle_id is not None:
            await self._ok("rooms.join", room=f"battle:{self._battle_id}")

    def remember(self) -> None:
        """Keep what was told: the same number must always say the same."""
        for name, data, meta in self.person.events:
            if "seq" in meta:
                known = self.seen.setdefault((meta["room"], meta["seq"]), (name, data))
                assert known == (name, data)
        self.person.events.clear()

    async def _do(self, name: str, **fields: Any) -> dict[str, Any]:
        return await self._send(name, {**fields, "request_id": uuid7()})

    async def _send(self, name: str, fields: dict[str, Any]) -> dict[str, Any]:
        self.pending = (name, fields)
        answer = await self._persistently(name, **fields)
        self.pending = None
        if answer["ok"]:
            self.acked[fields["request_id"]] = ((name, fields), answer["data"])
            self._on_ack()
        return answer

    async def _persistently(self, name: str, **fields: Any) -> dict[str, Any]:
        """Ask until there is an answer that stands."""
        clock = asyncio.get_running_loop().time
        while True:
            asked = clock()
            answer = await self.person.patiently(name, **fields)
            self.slowest_s = max(self.slowest_s, clock() - asked)
            if answer["ok"] or not Code(answer["error"]["code"]).retry:
                return answer
            self.put_off += 1
            await asyncio.sleep(AGAIN_MS / 1000)

    async def _ok(self, name: str, **fields: Any) -> Any:
        answer = await self._persistently(name, **fields)
        assert answer["ok"], answer
        return answer["data"]

    async def _find_battle(self) -> None:
        for status in ("in_progress", "waiting"):
            page = await self._ok("battles.list", status=status)
            for battle in page["items"]:
                if battle["difficulty"] == "easy" and battle["players"] < battle["max_players"]:
                    battle_id = battle["battle_id"]
                    await self._ok("rooms.join", room=f"battle:{battle_id}")
                    answer = await self._do("battles.join", battle_id=battle_id)
                    if answer["ok"]:
                        self._battle_id = battle_id
                        return

    async def _fight_on(self, battle_id: str) -> None:
        battle = await self._ok("battles.get", battle_id=battle_id)
        if battle["status"] == "completed":
            await self._do("battles.claim", battle_id=battle_id)
            await self._ok("rooms.leave", room=f"battle:{battle_id}")
            self._battle_id = None
            return
        for enemy in battle["enemies"]:
            if enemy["hp"] > 0:
                target = {"battle_id": battle_id, "enemy_id": enemy["enemy_id"], "kind": "quick"}
                await self._do("battles.attack", **target)


class Band:
    """Many fighters, and a count of what they were promised since they set out."""

    def __init__(self) -> None:
        self.fighters: list[Fighter] = []
        self._acks = 0
        self._more = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def gather(self, server: Server, size: int) -> None:
        """Register so many, no more at once than may wait from one network."""
        slots = asyncio.Semaphore(MAX_OF_NETWORK[HashKind.REGISTRATION])

        async def new() -> Fighter:
            async with slots:
                return await Fighter.new(server, self._count)

        self.fighters = await asyncio.gather(*(new() for _ in range(size)))

    def _count(self) -> None:
        self._acks += 1
        self._more.set()

    @asynccontextmanager
    async def fighting(self) -> AsyncIterator[None]:
        """All fight meanwhile, and are cut off at the end."""
        self._tasks = [asyncio.create_task(fighter.fight()) for fighter in self.fighters]
        try:
            yield
        finally:
            ending = set(self._tasks)
            while ending:
                # Python 3.11 loses a cancel that meets the end of a `wait_for`.
                for task in ending:
                    task.cancel()
                _, ending = await asyncio.wait(ending, timeout=1)

    async def acks(self, number: int) -> None:
        """Wait until so many more promises were made."""
        self._acks = 0
        async with asyncio.timeout(60):
            while self._acks < number:
                self._more.clear()
                waiting = asyncio.create_task(self._more.wait())
                done, _ = await asyncio.wait(
                    {waiting, *self._tasks}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done - {waiting}:
                    task.result()  # a fighter only ends by a fault

    async def fight_until(self, acks: int, then: Callable[[], Any]) -> None:
        """Fight until so many promises were made, do something, and be cut off."""
        async with self.fighting():
            await self.acks(acks)
            await then()

    async def settle(self) -> None:
        """Come back, and find out what became of what was under way."""
        await asyncio.gather(*(fighter.back() for fighter in self.fighters))

    async def close(self) -> None:
        """Disconnect all."""
        await asyncio.gather(*(fighter.person.close() for fighter in self.fighters))
