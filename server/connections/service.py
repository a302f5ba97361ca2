"""Telling whoever watches how many are connected."""

from typing import Final

from protocol import rooms
from protocol.connections import ConnectionsCounted
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
        self._told: ConnectionsCounted | None = None

    async def run(self) -> None:
        """Tell, again and again."""
        while True:
            await self._clock.sleep(EVERY_S)
            self.tell()

    def tell(self) -> None:
        """Tell how many there are, unless it was told last."""
        if not self._gateway.rooms.watched(rooms.connections()):
            self._told = None
            return
        now = counted(self._gateway)
        if now != self._told:
            self._told = now
            self._gateway.rooms.publish(Told(now, rfc3339(self._clock.now_ms())), None)
