"""Connections of one kind of caller, so many that none of them is told that it asks too often."""

from collections import Counter
from collections.abc import Awaitable, Callable

from protocol.message import RATES, Limit
from tests.support.raw import Raw


class Callers:
    """Callers that are there as soon as they are needed. `open_another` opens one of them."""

    def __init__(self, open_another: Callable[[], Awaitable[Raw]]) -> None:
        self._open = open_another
        self._asked: Counter[Limit] = Counter()
        self.connections: list[Raw] = []

    async def next(self, limit: Limit) -> Raw:
        """Somebody who may send one more message of a class at once."""
        _, at_once = RATES[limit]
        place = self._asked[limit] // at_once
        self._asked[limit] += 1
        while len(self.connections) <= place:
            self.connections.append(await self._open())
        return self.connections[place]

    async def close(self) -> None:
        """Close all of them."""
        for connection in self.connections:
            await connection.close()
