"""Due moments: what is to be done for a key once its moment has come.

It stands in the database's folder because it handles Stale and Unavailable.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from server.database.decide import WriteConflict
from server.database.work import Stale, Unavailable
from server.runtime.background import PUT_OFF_S
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

PASS_EVERY_S: Final = 0.2
AT_ONCE: Final = 64
AFTER_FAULT_MS: Final = 60_000
MAX_SLEEP_S: Final = 60.0
"""Wall time may run a little faster than the time that a sleep is measured by (`clock.SLEW`): what
is due in an hour would be late by two seconds."""

Act = Callable[[str], Awaitable[None]]
"""Does what is due for a key. It decides by what the database holds and commits an update that is
guarded, so that any process may act, and the first one wins. Raises Stale or WriteConflict where
others are faster, Unavailable where the database is."""


class Due:
    """Keys and their moments, in memory. The database is where they come from.

    A domain whose rows have a moment, such as a lease's `expires_at`, has one of these:

    - at start it reads the rows and calls `set` for each;
    - each unit that changes a moment calls `set`, or `clear`, in `Work.on_commit`;
    - `run` is one of its background tasks. It sleeps to the earliest moment or until an earlier one
      is set, and then calls the domain's function with each key that is due.

    A key stays due until its function has had another moment set, or has cleared it. It is given
    again with the next pass where the function did neither, or was stale; a minute later where it
    failed. Beats that were missed, as by a server that was down, are for the function to skip: it
    is called once for a key, however late it is.

    All moments are wall time in milliseconds since 1970 UTC. `longest_ms` is the furthest that one
    may be ahead when it is set; one that is further ahead was set before the clock was set back,
    and is due at once. Without it, such a moment is waited for.
    """

    def __init__(self, name: str, clock: Clock, *, longest_ms: int | None = None) -> None:
        """`name` is what the log calls it."""
        self._name = name
        self._clock = clock
        # What has failed is put off for a minute: that is not too far ahead.
        self._longest_ms = None if longest_ms is None else max(longest_ms, AFTER_FAULT_MS)
        self._moments: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []  # also what is outdated
        self._queued: dict[str, int] = {}  # what in the heap is not; a key that is acted on is out
        self._woken = asyncio.Event()
        clock.on_set(self._clock_was_set)

    def __len__(self) -> int:
        return len(self._moments)

    def __contains__(self, key: str) -> bool:
        return key in self._moments

    def at(self, key: str) -> int | None:
        """The moment of a key, None where it has none."""
        return self._moments.get(key)

    def set(self, key: str, at: int) -> None:
        """Act on a key at a moment, instead of the one that it had. 0 is at once."""
        if self._moments.get(key) != at or key not in self._queued:
            self._moments[key] = at
            self._queue(key)

    def clear(self, key: str) -> None:
        """Do not act on a key."""
        self._moments.pop(key, None)
        self._queued.pop(key, None)

    def _queue(self, key: str) -> None:
        at = self._queued[key] = self._counted(self._moments[key], self._clock.now_ms())
        heappush(self._heap, (at, key))
        if self._heap[0][0] == at:
            self._woken.set()
        # A key that is set again and again leaves the moments that it had in the heap.
        if len(self._heap) > 2 * len(self._queued) + AT_ONCE:
            self._sort()

    def _counted(self, at: int, now: int) -> int:
        too_far = self._longest_ms is not None and at > now + self._longest_ms
        return now if too_far else at

    def _sort(self) -> None:
        self._heap = [(at, key) for key, at in self._queued.items()]
        heapify(self._heap)

    def _clock_was_set(self) -> None:
        now = self._clock.now_ms()
        for key in self._queued:
            self._queued[key] = self._counted(self._moments[key], now)
        self._sort()
        self._woken.set()

    # ---- acting

    async def run(self, act: Act) -> None:
        """Act on each key when it is due, for ever. A background task.

        Passes begin at least `PASS_EVERY_S` apart: what falls due in between shares a commit. While
        the database is away, all stays due.
        """
        while True:
            pause = PASS_EVERY_S
            try:
                await self.act_once(act)
            except Unavailable as e:
                log.warning("put_off", service=self._name, error=str(e))
                pause = PUT_OFF_S
            await self._clock.sleep(pause)
            await self._until_due()

    async def act_once(self, act: Act) -> None:
        """Act once on each key that is due now, on `AT_ONCE` at the same time.

        Not on all: they would keep everybody else from reading. Raises Unavailable, once what has
        begun has ended; the rest is not begun, and still due.
        """
        keys = list(self._due(self._clock.now_ms()))
        if not keys:
            return
        rest = iter(keys)
        away: Unavailable | None = None

        async def work() -> None:
            nonlocal away
            for key in rest:
                if away is not None:
                    return
                try:
                    await self._act_on(key, act)
                except Unavailable as e:
                    away = e

        try:
            await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(keys)))))
        finally:
            for key in keys:
                if key in self._moments and key not in self._queued:
                    self._queue(key)
        if away is not None:
            raise away

    def _due(self, now: int) -> Iterator[str]:
        """Take the keys that are due, the earliest first."""
        while self._heap and self._heap[0][0] <= now:
            at, key = heappop(self._heap)
            if self._queued.get(key) == at:
                del self._queued[key]
                yield key

    async def _act_on(self, key: str, act: Act) -> None:
        if key not in self._moments or key in self._queued:
            return  # it was cleared, or has another moment, since it was taken
        try:
            await act(key)
        except (Stale, WriteConflict) as e:
            log.warning("due_put_off", service=self._name, key=key, error=str(e))
        except Unavailable:
            raise
        except Exception:
            # A fault in one does not keep the others from what is due.
            log.exception("due_failed", service=self._name, key=key)
            if key in self._moments:
                self.set(key, self._clock.now_ms() + AFTER_FAULT_MS)

    async def _until_due(self) -> None:
        """Sleep to the earliest moment."""
        while True:
            self._woken.clear()
            wait_s = self._wait_s()
            if wait_s is None:
                await self._woken.wait()
            elif wait_s > 0:
                await self._sleep(min(wait_s, MAX_SLEEP_S))
            else:
                return

    def _wait_s(self) -> float | None:
        """How long until something is due, in seconds; None where nothing is to be done."""
        while self._heap and self._queued.get(self._heap[0][1]) != self._heap[0][0]:
            heappop(self._heap)
        return (self._heap[0][0] - self._clock.now_ms()) / 1000 if self._heap else None

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or until woken."""
        asleep = asyncio.create_task(self._wake_after(seconds), name=f"due:{self._name}")
        try:
            await self._woken.wait()
        finally:
            asleep.cancel()

    async def _wake_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._woken.set()
