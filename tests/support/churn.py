"""Players who strike, leave and come back, and what a server holds for them meanwhile."""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple, Self

from tests.support.outside import memory, metric, sockets, until
from tests.support.server import Server
from tests.support.wire import Transport, Wire

WAYS: Sequence[Transport] = ("websocket", "plain") * 4 + ("polling",)
AT_ONCE = 8


class Held(NamedTuple):
    """What a server holds: clients, and all that it has for them; `memory` in bytes."""

    connections: int
    transports: int
    rooms: int
    tasks: int
    sockets: int
    memory: int

    @classmethod
    async def by(cls, server: Server) -> Self:
        """Now."""
        assert server.process is not None
        pid = server.process.pid
        names = ("connections", "transports", "rooms", "tasks")
        counted = [int(await metric(server.url, f"warroom_{name}")) for name in names]
        return cls(*counted, sockets(pid), memory(pid))


class Player:
    """Somebody who has a seat in a battle, and keeps to one transport."""

    def __init__(self, server: Server, token: str, battle_id: str, way: Transport) -> None:
        self._server = server
        self._token = token
        self._battle_id = battle_id
        self._way = way
        self._wire: Wire | None = None

    async def come(self) -> None:
        """Be there, in the battle's room and in its seat."""
        self._wire = wire = await Wire.connect(
            self._server.url, self._way, token=self._token, on_event=lambda *_: None
        )
        await wire.ok("rooms.join", room=f"battle:{self._battle_id}")
        await wire.patiently("battles.join", battle_id=self._battle_id)

    async def strike(self) -> None:
        """Strike once, and get up again where that is refused to who is down.

        Raises AssertionError where that is not answered as it should be.
        """
        assert self._wire is not None
        here = {"battle_id": self._battle_id}
        answer = await self._wire.patiently("battles.attack", enemy_id=1, kind="quick", **here)
        if not answer["ok"] and answer["error"].get("reason") == "down":
            answer = await self._wire.patiently("battles.revive", **here)
        assert answer["ok"] or answer["error"]["code"] == "refused", answer

    async def leave(self, *, politely: bool) -> None:
        """Be gone: with a good-bye, or without."""
        if self._wire is not None:
            await (self._wire.close() if politely else self._wire.drop())

    async def live(
        self, stays_s: float, pause_s: float, chance: random.Random, took_ms: list[float]
    ) -> None:
        """Strike, leave and come back, for ever: each stay lasts so long in the mean."""
        clock = asyncio.get_running_loop().time
        while True:
            leaves_at = clock() + chance.expovariate(1 / stays_s)
            while clock() < leaves_at:
                await asyncio.sleep(chance.uniform(0, 2 * pause_s))
                begun = time.monotonic()  # the loop's own is only looked at once a turn
                await self.strike()
                took_ms.append((time.monotonic() - begun) * 1000)
            await self.leave(politely=chance.random() < 0.5)
            await self.come()


class Churn:
    """All of them. Each stays for `stays_s` in the mean, and strikes every `pause_s`."""

    def __init__(self, players: Sequence[Player], stays_s: float, pause_s: float) -> None:
        self.players = players
        self._stays_s = stays_s
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []
        self.took_ms: list[float] = []
        """How long each strike took to be answered."""

    async def begin(self) -> None:
        """Let all come, and live."""
        places = asyncio.Semaphore(AT_ONCE)

        async def come(player: Player) -> None:
            async with places:
                await player.come()

        await asyncio.gather(*map(come, self.players))
        self._tasks = [
            asyncio.create_task(
                player.live(self._stays_s, self._pause_s, random.Random(n), self.took_ms)
            )
            for n, player in enumerate(self.players)
        ]

    async def go_on(self, seconds: float) -> None:
        """Let time pass. Raises what went wrong for somebody."""
        done, _ = await asyncio.wait(
            self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
        for task in done:
            task.result()

    async def end(self) -> None:
        """Nobody strikes any more, and all are gone."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for player in self.players:
            with suppress(ConnectionError):
                await player.leave(politely=False)

    async def stay(self) -> None:
        """Nobody strikes or leaves any more, and all are there."""
        await self.end()
        for player in self.players:
            await player.come()

    async def leave(self) -> None:
        """Be gone, half of them without a good-bye."""
        for number, player in enumerate(self.players):
            await player.leave(politely=bool(number % 2))


async def settled(server: Server, before: Held, within_s: float) -> Held:
    """What a server holds once that is no more than before, or after so long."""
    found = before

    async def look() -> bool:
        nonlocal found
        found = await Held.by(server)
        return all(now <= then for now, then in zip(found[:5], before[:5], strict=True))

    with suppress(TimeoutError):
        await until(look, within_s)
    return found
