"""Whether a client that is told to wait does so."""

from typing import Final

from protocol.message import Limit
from server.gateway.limits import Bucket

EXCUSED: Final = (10.0, 100)
"""Messages a second, and how many at once, that may come in spite of being told to wait: those
that were on their way, or that a careless client sent side by side."""


class Pace:
    """One connection. A message that is refused for its rate counts against it where it came
    before the moment that an earlier refusal in its class had named: whoever waits, never does."""

    __slots__ = ("_excused", "_until", "lost")

    def __init__(self) -> None:
        self._excused: Bucket | None = None  # most are never told to wait
        self._until: dict[Limit, float] = {}
        self.lost = False

    def refused(self, limit: Limit, wait_s: float, now: float) -> None:
        """A message was refused and told to wait. `lost` once it was too often in vain."""
        rate, at_once = EXCUSED
        if now < self._until.get(limit, 0.0):
            if self._excused is None:
                self._excused = Bucket(rate, at_once, now)
            if self._excused.take(now):
                self.lost = True
        self._until[limit] = now + wait_s
