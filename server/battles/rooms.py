"""The rooms of battles: the pool, and each battle. Whoever plays may watch."""

from protocol.message import Event
from server.battles.store import Battles
from server.gateway import Identity, Snapshot


class PoolRoom:
    """The room `battles`."""

    def __init__(self, battles: Battles) -> None:
        self._battles = battles

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Open to whoever has the room's permission."""

    async def snapshot(self, ident: str) -> Snapshot:
        """Everything that can be joined."""
        return Snapshot(*await self._battles.pool())

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
