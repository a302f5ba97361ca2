"""Hot copies: states held in memory that the database guards.

A copy has two faces. `committed` is what the database holds and what clients are shown. `tip` is
what the next decision is made on: it runs ahead while units are in flight, and if one of them
fails, everything decided on top of it falls too, the copy is dropped, and the next reader loads
the state anew, once all that was decided on the old copy has been committed or has fallen.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

S = TypeVar("S")


class Copy(Generic[S]):
    """One state in memory."""

    __slots__ = ("_settled", "broken", "committed", "forget", "in_flight", "key", "tip")

    def __init__(self, key: str, state: S, forget: Callable[[], None] = lambda: None) -> None:
        """`forget` drops whatever copy of the key is held."""
        self.key = key
        self.forget = forget
        self.committed = state
        self.tip = state
        self.in_flight = 0
        self.broken = False
        self._settled: asyncio.Future[None] | None = None

    def landed(self) -> None:
        """A unit that was in flight has ended."""
        self.in_flight -= 1
        if not self.in_flight and self._settled is not None:
            self._settled.set_result(None)
            self._settled = None

    async def settled(self) -> None:
        """Wait until no unit is in flight."""
        while self.in_flight:
            if self._settled is None:
                self._settled = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._settled)


class Hot(Generic[S]):
    """The copies of one kind of state, the least used dropped first."""

    def __init__(self, load: Callable[[str], Awaitable[S | None]], limit: int) -> None:
        self._load = load
        self._limit = limit
        self._copies: OrderedDict[str, Copy[S]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Copy[S] | None]] = {}

    async def get(self, key: str) -> Copy[S] | None:
        """The copy of a key, loaded once however many ask; None where there is no such state."""
        copy = self.held(key)
        if copy is not None:
            return copy
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._fetch(key))
        return await asyncio.shield(task)

    def held(self, key: str) -> Copy[S] | None:
        """The copy of a key if it is held: it counts as used, and nothing is waited for."""
        copy = self._copies.get(key)
        if copy is None or copy.broken:
            return None
        self._copies.move_to_end(key)
        return copy

    async def _fetch(self, key: str) -> Copy[S] | None:
        try:
            if (old := self._copies.get(key)) is not None:
                await old.settled()  # else what it is about to commit would not be seen
            state = await self._load(key)
            return None if state is None else self.put(key, state)
        finally:
            del self._loading[key]

    def put(self, key: str, state: S) -> Copy[S]:
        """Hold a state that the database holds already."""
        copy = self._copies[key] = Copy(key, state, partial(self.drop, key))
        self._copies.move_to_end(key)
        if len(self._copies) > self._limit:
            self._shrink()
        return copy

    def _shrink(self) -> None:
        # Looked at one by one: a list of all would be made anew for each that is one too many.
        idle = (key for key, copy in self._copies.items() if not copy.in_flight)
        for key in list(islice(idle, len(self._copies) - self._limit)):
            del self._copies[key]

    def peek(self, key: str) -> Copy[S] | None:
        """The copy of a key if it is held. It is not used by that."""
        copy = self._copies.get(key)
        return None if copy is None or copy.broken else copy

    def drop(self, key: str) -> None:
        """Forget a copy: its state has ended, or was changed by somebody else."""
        copy = self._copies.get(key)
        if copy is not None and copy.in_flight:
            copy.broken = True
        elif copy is not None:
            del self._copies[key]

    def __iter__(self) -> Iterator[Copy[S]]:
        return iter([copy for copy in self._copies.values() if not copy.broken])

    def __len__(self) -> int:
        return len(self._copies)
