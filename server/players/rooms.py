"""The rooms of players: one's own, and those that anybody may look into."""

from protocol.errors import not_found
from protocol.message import Event
from protocol.players import ProfileChanged, StaminaChanged, player_room
from server.database import Reader
from server.database.history import bounds
from server.gateway import Identity, Snapshot
from server.players.player_count import PlayerCount
from server.players.profiles import Profiles
from server.players.store import Players
from server.runtime.clock import Clock


class PlayerRoom:
    """The kind of room `player:<id>`: their own, and nobody else's."""

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
            there = await bounds(reading, player_room(ident))
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


class ProfileRoom:
    """The kind of room `profile:<id>`. Nothing is kept in it."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for a player that is not."""
        if await self._profiles.get(ident) is None:
            raise not_found("player")

    async def snapshot(self, ident: str) -> Snapshot:
        """The profile."""
        profile = await self._profiles.get(ident)
        if profile is None:
            raise not_found("player")
        return Snapshot(0, profile)

    async def latest(self, ident: str) -> list[Event]:
        """The profile as it is now."""
        profile = await self._profiles.get(ident)
        return [] if profile is None else [ProfileChanged(profile=profile)]


class PlayersRoom:
    """The room `players`. Nothing is kept in it."""

    def __init__(self, count: PlayerCount) -> None:
        self._count = count

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Open to whoever has the room's permission."""

    async def snapshot(self, ident: str) -> Snapshot:
        """How many players there are, and are here."""
        return Snapshot(0, self._count.counted())

    async def latest(self, ident: str) -> list[Event]:
        """How many players there are, and are here."""
        return [self._count.counted()]
