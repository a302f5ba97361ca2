"""Connections of one kind of caller, so many that none of them is told that it asks too often.

Each sends messages of one class alone: what is wrong with a message may make it count as another.
"""

from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from protocol.message import RATES, Limit
from tests.support.wire import Wire


class Callers:
    """Callers that are there as soon as they are needed. `open_another` opens one of them."""

    def __init__(self, open_another: Callable[[], Awaitable[Wire]]) -> None:
        self._open = open_another
        self._asked: Counter[Limit] = Counter()
        self._of: defaultdict[Limit, list[Wire]] = defaultdict(list)

    @property
    def connections(self) -> list[Wire]:
        """All of them."""
        return [connection for found in self._of.values() for connection in found]

    async def next(self, limit: Limit) -> Wire:
        """Somebody who may send one more message of a class at once."""
        _, at_once = RATES[limit]
        place = self._asked[limit] // at_once
        self._asked[limit] += 1
        found = self._of[limit]
        if len(found) == place:
            found.append(await self._open())
        return found[place]

    async def another(self, limit: Limit) -> Wire:
        """Somebody who has said nothing yet."""
        self._of[limit].append(await self._open())
        return self._of[limit][-1]

    async def close(self) -> None:
        """Close all of them."""
        for connection in self.connections:
            await connection.close()
