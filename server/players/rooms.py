"""The room of a player: their own, and nobody else's."""

from protocol import rooms
from protocol.errors import not_found
from protocol.message import Event
from protocol.players import StaminaChanged
from server.database import Reader
from server.database.history import bounds
from server.gateway import Identity, Snapshot
from server.players.store import Players
from server.runtime.clock import Clock


class PlayerRoom:
    """The kind of room `player:<id>`."""

    def __init__(self, reader: Reader, players: Players, clock: Clock) -> None:
        self._reader = reader
        self._players = players
        self._clock = clock

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for anybody else's room, there or not."""
        if ident != identity.id:
            raise not_found("room")

    async def snapshot(self, ident: str) -> Snapshot:
        """The player, with stamina as it is now."""
        async with self._reader.moment() as reading:
            record = await self._players.read(reading, ident)
            there = await bounds(reading, rooms.player(ident))
        if record is None:
            raise not_found("room")
        return Snapshot(there.newest, self._players.view(record, self._clock.now_ms()))

    async def latest(self, ident: str) -> list[Event]:
        """The stamina as it is now."""
        record = await self._players.read(self._reader, ident)
        if record is None:
            return []
        stamina = self._players.view(record, self._clock.now_ms()).stamina
        return [StaminaChanged(player_id=ident, stamina=stamina)]
