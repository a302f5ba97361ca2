"""How long something may take: a message to be answered, or a request to come whole.

A timer a message would cost every one of them; so one watcher sleeps until the oldest is due.
"""

from itertools import islice, takewhile
from typing import Final, Protocol

from server.runtime.clock import Clock

AT_ONCE: Final = 16
"""So many are ended before the loop looks at the sockets again: hundreds may be late at once, and
ending one may take a request's time."""


class Limited(Protocol):
    """What may take so long and no longer."""

    def expire(self) -> None:
        """It is late: end it. Called once."""
        ...


class Deadlines:
    """What waits for something, each for the same time at most."""

    def __init__(self, clock: Clock, limit_s: float) -> None:
        self._clock = clock
        self.limit_s: Final = limit_s
        self._due: dict[Limited, float] = {}  # the oldest first

    def begin(self, limited: Limited) -> None:
        """It begins to wait, if it does not wait already."""
        self._due.setdefault(limited, self._clock.monotonic() + self.limit_s)

    def end(self, limited: Limited) -> None:
        """It has ended, late or not."""
        self._due.pop(limited, None)

    async def watch(self) -> None:
        """End what is late, for ever. A service."""
        while True:
            oldest = next(iter(self._due.values()), None)
            now = self._clock.monotonic()
            # What begins while nothing is under way is not due before this wakes.
            await self._clock.sleep(self.limit_s if oldest is None else oldest - now)
            self.end_late()

    def end_late(self) -> bool:
        """End what is late by now, AT_ONCE of them at most. Returns whether there may be more."""
        now = self._clock.monotonic()
        late = takewhile(lambda item: item[1] <= now, self._due.items())
        chosen = list(islice(late, AT_ONCE))
        for limited, _ in chosen:
            self.end(limited)
            limited.expire()
        return len(chosen) == AT_ONCE
