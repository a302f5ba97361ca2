"""A pool that serves waiters in the order in which they asked.

asyncio's queues wake the waiter that has waited for longest, but let a task that asks at that
moment take the item first: where many ask all the time, one may wait for ever.
"""

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class FairPool(Generic[T]):
    """Items that are free. The one used last is given out first: it is the warmest."""

    def __init__(self) -> None:
        self._free: list[T] = []
        self._waiting: deque[asyncio.Future[T]] = deque()

    def __len__(self) -> int:
        return len(self._free)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def put(self, one: T) -> None:
        """Give one back, or add it."""
        while self._waiting:
            first = self._waiting.popleft()
            if not first.done():
                first.set_result(one)
                return
        self._free.append(one)

    async def take(self, timeout_s: float) -> T:
        """Take one. Raises TimeoutError where none comes free in time."""
        if self._free:
            return self._free.pop()
        mine: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        try:
            async with asyncio.timeout(timeout_s):
                return await mine
        except BaseException:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not mine.cancelled():
                self.put(mine.result())  # it came at the moment in which nobody wanted it any more
            raise

    def remove(self, one: T) -> bool:
        """Take a certain one out. Returns whether it was free."""
        if one not in self._free:
            return False
        self._free.remove(one)
        return True
