"""The rooms of battles: the pool, each battle's line, and each battle. Whoever plays may watch."""

from protocol.message import Event
from server.battles.pool import Pool
from server.battles.store import Battles
from server.gateway import Identity, Snapshot


class PoolRoom:
    """The room `battles`. Nothing is kept in it: it says how many there are, not which."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Open to whoever has the room's permission."""

    async def snapshot(self, ident: str) -> Snapshot:
        """How many battles are open."""
        return Snapshot(0, self._pool.counted())

    async def latest(self, ident: str) -> list[Event]:
        """How many battles are open."""
        return [self._pool.counted()]


class ListingRoom:
    """The kind of room `listing:<id>`."""

    def __init__(self, battles: Battles) -> None:
        self._battles = battles

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for a battle that is not."""
        if ident not in self._battles.pool:
            await self._battles.line(ident)

    async def snapshot(self, ident: str) -> Snapshot:
        """The battle's line."""
        return Snapshot(*await self._battles.line(ident))

    async def latest(self, ident: str) -> list[Event]:
        """Nothing: all that is told here is kept."""
        return []


class BattleRoom:
    """The kind of room `battle:<id>`."""

    def __init__(self, battles: Battles) -> None:
        self._battles = battles

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for a battle that is not."""
        await self._battles.get(ident)

    async def snapshot(self, ident: str) -> Snapshot:
        """The battle: its log is numbered as its state is."""
        battle = (await self._battles.get(ident)).committed.battle
        return Snapshot(battle.seq, battle)

    async def latest(self, ident: str) -> list[Event]:
        """Nothing: all that is told here is kept."""
        return []
