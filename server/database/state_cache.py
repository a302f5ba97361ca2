"""A write-ahead cache of states that the database stores.

An entry has two states. `committed` is what the database holds and what clients are shown.
`pending` is what the next decision is made on: it runs ahead while units are in flight. If one of
them fails, everything decided on top of it fails too, the entry is dropped, and the next reader
loads the state again, once all that was decided on the old entry has been committed or has failed.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

S = TypeVar("S")


class Entry(Generic[S]):
    """One state in memory."""

    __slots__ = ("_idle", "broken", "committed", "forget", "in_flight", "key", "pending")

    def __init__(self, key: str, state: S, forget: Callable[[], None] = lambda: None) -> None:
        """`forget` drops whatever entry of the key is held."""
        self.key = key
        self.forget = forget
        self.committed = state
        self.pending = state
        self.in_flight = 0
        self.broken = False
        self._idle: asyncio.Future[None] | None = None

    def unit_ended(self) -> None:
        """A unit that was in flight has ended."""
        self.in_flight -= 1
        if not self.in_flight and self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    async def wait_idle(self) -> None:
        """Wait until no unit is in flight."""
        while self.in_flight:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)


class StateCache(Generic[S]):
    """The entries of one kind of state, the least used dropped first."""

    def __init__(self, load: Callable[[str], Awaitable[S | None]], limit: int) -> None:
        self._load = load
        self._limit = limit
        self._entries: OrderedDict[str, Entry[S]] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Entry[S] | None]] = {}

    async def get(self, key: str) -> Entry[S] | None:
        """The entry of a key, loaded once however many ask; None where there is no such state."""
        entry = self.get_cached(key)
        if entry is not None:
            return entry
        task = self._loading.get(key)
        if task is None:
            task = self._loading[key] = asyncio.create_task(self._fetch(key))
        return await asyncio.shield(task)

    def get_cached(self, key: str) -> Entry[S] | None:
        """The entry of a key if it is held: it counts as used, and nothing is waited for."""
        entry = self._entries.get(key)
        if entry is None or entry.broken:
            return None
        self._entries.move_to_end(key)
        return entry

    async def _fetch(self, key: str) -> Entry[S] | None:
        try:
            if (old := self._entries.get(key)) is not None:
                await old.wait_idle()  # else what it is about to commit would not be seen
            state = await self._load(key)
            return None if state is None else self.put(key, state)
        finally:
            del self._loading[key]

    def put(self, key: str, state: S) -> Entry[S]:
        """Hold a state that the database holds already."""
        entry = self._entries[key] = Entry(key, state, partial(self.drop, key))
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._shrink()
        return entry

    def _shrink(self) -> None:
        # Looked at one by one: a list of all would be made anew for each that is one too many.
        idle = (key for key, entry in self._entries.items() if not entry.in_flight)
        for key in list(islice(idle, len(self._entries) - self._limit)):
            del self._entries[key]

    def peek(self, key: str) -> Entry[S] | None:
        """The entry of a key if it is held. Does not count as a use of it."""
        entry = self._entries.get(key)
        return None if entry is None or entry.broken else entry

    def drop(self, key: str) -> None:
        """Forget an entry: its state has ended, or was changed by somebody else."""
        entry = self._entries.get(key)
        if entry is not None and entry.in_flight:
            entry.broken = True
        elif entry is not None:
            del self._entries[key]

    def __iter__(self) -> Iterator[Entry[S]]:
        return iter([entry for entry in self._entries.values() if not entry.broken])

    def __len__(self) -> int:
        return len(self._entries)
