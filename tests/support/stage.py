"""A server in this process on which each refusal is brought about, as the contracts say."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from msgspec.structs import replace

from protocol.auth import Register
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles, BattleService
from server.config import Settings
from server.gateway.rooms import MAX_ROOMS
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import execute
from tests.support.people import PASSWORD

NEWEST = 10**9
"""The number of a change of rights that no other comes after."""
NOBODY_SEATED_S = 301
HIT_S = 10


class Doomed(NamedTuple):
    """Who sends a message that will be refused, and its fields."""

    ear: Ear
    fields: dict[str, Any]


class Stage:
    """One server, whose clock a test turns; nothing happens by itself."""

    def __init__(self, app: App, url: str, folder: Path, stack: AsyncExitStack) -> None:
        self.app = app
        self.url = url
        self._folder = folder
        self._stack = stack
        waiting = app.service(Battles).pool.waiting
        self._easy = [key for key, line in waiting.items() if line.required_level == 1]
        self._hard = [key for key, line in waiting.items() if line.required_level > 1]

    @classmethod
    async def open(cls, url: str, folder: Path, stack: AsyncExitStack, **settings: Any) -> "Stage":
        """Start a server on a database. The stack closes it."""
        known = Settings(data_dir=folder, database_url=url, password_hash_cost=4, **settings)
        app = await stack.enter_async_context(opened(known, ManualClock()))
        await app.start()
        await app.service(BattleService).tick()  # the first look at what is open
        return cls(app, url, folder, stack)

    async def with_settings(self, **settings: Any) -> "Stage":
        """Another server on the same data."""
        return await Stage.open(self.url, self._folder, self._stack, **settings)

    @staticmethod
    def doomed(ear: Ear, **fields: Any) -> Doomed:
        """What will be refused."""
        return Doomed(ear, fields)

    def easy(self) -> list[str]:
        """The battles that anybody could join at the start, always in the same order."""
        return self._easy

    def hard(self) -> str:
        """A battle that takes a level."""
        return self._hard[0]

    async def player(self, **columns: int) -> Ear:
        """Somebody new who plays, with values of their own in the table of players."""
        name = f"p{uuid7()[-12:]}"
        user_id = (await self.app.service(Auth).add(name, PASSWORD, Role.PLAYER)).user.id
        for column, value in columns.items():
            change = f"update players set {column} = {value} where player_id = '{user_id}'"  # noqa: S608
            await execute(self.url, change)
        return await Ear(self.app, player(user_id, name)).open()

    async def nobody(self) -> Ear:
        """Somebody who may play and has no player: deleted, and this server has not heard of it."""
        return await Ear(self.app, player(uuid7())).open()

    async def boss(self) -> Ear:
        """The only administrator."""
        boss = await self.app.service(Auth).add("boss", PASSWORD, Role.ADMIN)
        identity = await self.app.gateway.authenticate({"token": boss.tokens.access_token})
        return await Ear(self.app, replace(identity, rights=NEWEST)).open()

    async def register(self, username: str, email: str | None = None) -> object:
        """Register as over REST. Raises Failure."""
        body = Register(username, PASSWORD, email)
        return await self.app.service(Auth).register(body, "203.0.113.7")

    async def seated(self, **columns: int) -> Ear:
        """Somebody with a seat in the first easy battle."""
        somebody = await self.player(**columns)
        await somebody.ok("battles.join", battle_id=self._easy[0])
        return somebody

    async def pass_time(self, seconds: float) -> None:
        """Turn the clock, and let everything happen in battles that is due then."""
        clock: Any = self.app.clock
        clock.advance(seconds)
        await self.app.service(BattleService).tick()

    async def abandoned(self, participant: Ear) -> str:
        """A battle that ended without a victory, in which somebody took part."""
        battle_id = self._easy[0]
        await participant.ok("battles.join", battle_id=battle_id)
        await participant.ok("battles.leave", battle_id=battle_id)
        await self.pass_time(NOBODY_SEATED_S)
        battle = await participant.ok("battles.get", battle_id=battle_id)
        assert battle["status"] == "abandoned"
        return battle_id

    async def fallen(self) -> tuple[Ear, str]:
        """Somebody who is down, without gems, and the battle."""
        weak, battle_id = await self.seated(max_hp=1, gems=0), self._easy[0]
        await self.pass_time(HIT_S)
        seat = (await weak.ok("battles.get", battle_id=battle_id))["seats"][weak.identity.id]
        assert seat["down_at"] is not None
        return weak, battle_id

    async def won(self) -> tuple[Ear, str]:
        """Somebody who has won a battle alone."""
        strong, battle_id = await self.seated(attack=100_000), self._easy[0]
        while True:
            battle = await strong.ok("battles.get", battle_id=battle_id)
            living = [enemy["enemy_id"] for enemy in battle["enemies"] if enemy["hp"] > 0]
            if battle["status"] != "in_progress" or not living:
                return strong, battle_id
            blow = {"battle_id": battle_id, "enemy_id": living[0], "kind": "quick"}
            await strong.ok("battles.attack", **blow)

    def fill_with_rooms(self, ear: Ear) -> None:
        """Put somebody into as many rooms as a connection may be in."""
        for number in range(MAX_ROOMS):
            self.app.gateway.rooms.enter(ear, f"tests:{number}")
