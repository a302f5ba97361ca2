"""How many players there are, and how many of them are online."""

import asyncio
from typing import Final

from protocol.players import PlayersCounted, players_room
from server.database import Unavailable
from server.gateway import CounterRoom, Gateway
from server.players.online_index import OnlineIndex
from server.players.store import Players
from server.runtime.background import repeat
from server.runtime.clock import Clock

RECOUNT_EVERY_S: Final = 60.0


class PlayerCount:
    """The number of players: counted in the database now and then, and in memory meanwhile."""

    def __init__(
        self, players: Players, online: OnlineIndex, gateway: Gateway, clock: Clock
    ) -> None:
        self._players = players
        self._online = online
        self._clock = clock
        self._registered = 0
        self.room = CounterRoom(gateway.rooms, clock, players_room(), self.counted)
        self._changed = asyncio.Event()

    def counted(self) -> PlayersCounted:
        """How many players there are, and are online."""
        return PlayersCounted(online=len(self._online), registered=self._registered)

    def add(self, registered: int = 0) -> None:
        """So many more are registered, or another number is online."""
        self._registered += registered
        self._changed.set()

    async def keep_published(self) -> None:
        """Publish the count when it has changed. A background task."""
        await self.room.publish_when(self._changed)

    async def keep_right(self) -> None:
        """Count anew now and then: players are also added and deleted beside this process. A
        service."""
        await repeat(self.recount, RECOUNT_EVERY_S, self._clock, Unavailable, "players count")

    async def recount(self) -> None:
        """Count all players. Raises Unavailable."""
        before = self._registered
        count = await self._players.count()
        # Who registers meanwhile is in the one or the other; at worst it is off until next time.
        if self._registered == before != count:
            self._registered = count
            self._changed.set()
