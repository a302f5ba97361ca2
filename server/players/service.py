"""Telling players who watch that their stamina has changed.

Stamina is a function of time and no row changes while it grows, so nobody else would tell them.
"""

from typing import Final

from protocol.players import StaminaChanged, player_room
from server.database import Unavailable
from server.gateway import Gateway
from server.players import rules
from server.players.store import Players
from server.runtime.background import repeat
from server.runtime.clock import Clock

EVERY_S: Final = 0.5


class StaminaPush:
    """Looks at everybody who is here twice a second."""

    def __init__(self, players: Players, gateway: Gateway, clock: Clock) -> None:
        self._players = players
        self._gateway = gateway
        self._clock = clock
        self._published: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Publish, again and again. A background task."""
        await repeat(self.publish_changes, EVERY_S, self._clock, Unavailable, "stamina")

    async def publish_changes(self) -> None:
        """Publish the stamina of each player in whose room it is not what was published last."""
        now = self._clock.now_ms()
        watching = [
            person
            for person in self._gateway.presence.people()
            if self._gateway.rooms.watched(player_room(person))
        ]
        before, self._published = self._published, {}
        for person in watching:
            entry = await self._players.cache.get(person)
            if entry is None:
                continue
            record = rules.with_regen(entry.committed, now, self._players.regen)
            # With the revision, stamina that was spent and is full again is published too.
            seen = self._published[person] = (record.stamina, record.rev)
            if before.get(person) != seen:
                stamina = rules.stamina_view(record, self._players.regen)
                event = StaminaChanged(player_id=person, stamina=stamina)
                self._gateway.rooms.publish_latest(event)
