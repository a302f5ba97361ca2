"""Telling whoever watches how many are connected."""

from typing import Final

from protocol.connections import connections_room
from protocol.times import rfc3339
from server.connections.rooms import counted
from server.database.work import Told
from server.gateway import Gateway
from server.runtime.clock import Clock

EVERY_S: Final = 1.0


class Counting:
    """Looks once a second, and only where somebody watches."""

    def __init__(self, gateway: Gateway, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock
        self._told: int | None = None  # after how many changes

    async def run(self) -> None:
        """Tell, again and again."""
        while True:
            await self._clock.sleep(EVERY_S)
            self.tell()

    def tell(self) -> None:
        """Tell how many there are, unless nobody has come or gone since it was told.

        That they are as many again does not do: somebody may have joined the room in between.
        """
        if not self._gateway.rooms.watched(connections_room()):
            self._told = None
            return
        changes = self._gateway.roll.changes
        if changes != self._told:
            self._told = changes
            now = rfc3339(self._clock.now_ms())
            self._gateway.rooms.publish(Told.of(counted(self._gateway), now), None)
