"""The writer: the one place that changes the database.

It takes all units that wait, carries them out in one transaction, commits once, and then completes
each in order: cached entries are committed, events are published, replies are sent. The state that
a unit was decided on may have changed: then that unit alone is stale; its handler decides again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, Protocol

from protocol.errors import busy
from server.database.work import (
    MAX_ROWS,
    DatabaseGone,
    Numbers,
    OnComplete,
    OutgoingEvent,
    Request,
    Unavailable,
    Work,
)
from server.runtime.clock import Clock
from server.runtime.correlation import CORRELATION_ID, written
from server.runtime.log import debugging, logger
from server.runtime.metrics import Metrics

log = logger("database")
_debugging = debugging("database")

MAX_BATCH: Final = 1024
SLOW_S: Final = 1.0
"""A batch that takes longer is told of: everybody who changes anything has waited for it."""
MAX_NAMED: Final = 10
MAX_WAIT_S: Final = 2.0
"""Age of the oldest unit not yet taken from which commands are refused: those that were accepted
are committed one batch later, whatever a batch takes."""
RETRY_AFTER_S: Final = (0.25, 10.0)
"""A refused command may be sent again when the batch that is being committed should have ended, but
not earlier and not later than this."""

CHECK_EVERY_S: Final = 1.0

Publish = Callable[[OutgoingEvent, int | None], None]
"""Publishes an event of a committed unit to its room, with its number where it is kept."""


def correlation_ids(units: Sequence[Work]) -> list[str]:
    """What set the first few units off, for the log."""
    named = (unit.correlation_id for unit in units if unit.correlation_id is not None)
    return [written(ident) for ident in islice(named, MAX_NAMED)]


Outcome = Numbers | Exception

Late = Callable[[Work, Numbers], None]
"""Called with a unit that was answered with Unavailable and turns out to be committed."""


class Engine(Protocol):
    """What carries out a batch on one kind of database.

    `connected`: whether the database can be reached. `late` is called before the next batch.
    """

    late: Late

    @property
    def connected(self) -> bool:
        """Whether the database can be reached."""
        ...

    @property
    def read_only(self) -> bool:
        """Whether the database can be reached, and does not write."""
        ...

    def check(self) -> bool | None:
        """Whether another program keeps the database from being changed, where that is known.

        Raises DatabaseGone where what is committed would be lost, HistoryLost where it was.
        """
        ...

    async def look(self) -> None:
        """Ask the database for what `check` and `read_only` say. Never raises."""
        ...

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Carry out all units and commit once. One outcome a unit, in order.

        Raises Unavailable where nothing was committed, or where that is not known; DatabaseGone
        where what is committed would be lost.
        """
        ...

    async def close(self) -> None:
        """Give the connection back."""
        ...


class Writer:
    """The queue in front of the engine."""

    def __init__(self, engine: Engine, publish: Publish, metrics: Metrics, clock: Clock) -> None:
        self._engine = engine
        self._publish = publish
        self._metrics = metrics
        self._clock = clock
        self._queue: list[Work] = []
        self._wake = asyncio.Event()
        self._queued_at: deque[float] = deque()  # when the first unit of each batch was queued
        self._taken_at: float | None = None  # the same, of those that are being carried out
        self._took_s = 0.0  # how long the last batch took
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.failing = False
        self.blocked = False  # another program has held the write lock for two looks
        engine.late = self._committed_late
        metrics.watch(
            "warroom_writer_queue_units",
            "Units that wait to be committed.",
            lambda: len(self._queue),
        )
        metrics.watch(
            "warroom_writer_queue_age_seconds",
            "How long the oldest unit that is not committed has waited.",
            lambda: self.age,
        )

    @property
    def connected(self) -> bool:
        """Whether the database can be reached."""
        return self._engine.connected

    @property
    def read_only(self) -> bool:
        """Whether the database can be reached, and does not write."""
        return self._engine.read_only

    @property
    def age(self) -> float:
        """How long the oldest unit that is not committed has waited, in seconds."""
        if self._taken_at is None:
            return self.wait_s
        return self._clock.monotonic() - self._taken_at

    @property
    def wait_s(self) -> float:
        """How long the oldest unit has waited that no batch has taken yet."""
        return self._clock.monotonic() - self._queued_at[0] if self._queued_at else 0.0

    def admit(self) -> None:
        """Check that a command may still be queued. The server's own units may always.

        Raises Failure `busy` while the database is so slow that units wait for too long.
        """
        # For each command: the first look is as cheap as can be.
        if self._queued_at and self._clock.monotonic() - self._queued_at[0] > MAX_WAIT_S:
            waited = self.wait_s
            least, most = RETRY_AFTER_S
            again_s = min(max(least, self._took_s - waited), most)
            raise busy(
                f"the database is slow: commits are pending for {waited:.1f} s; retry",
                round(again_s * 1000),
            )

    def start(self) -> None:
        """Begin to take units."""
        self._task = asyncio.create_task(self._run(), name="writer")

    async def close(self) -> None:
        """Commit what is queued, then end."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task})  # what it crashed with, `watch` has raised
        await self._engine.close()

    def submit(
        self, work: Work, reply: bytes = b"", request: Request | None = None
    ) -> asyncio.Future[None]:
        """Queue a unit. The future ends once it is committed and published, or raises Stale or
        Unavailable.

        Cancelling the caller does not cancel the unit.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def complete(fault: Exception | None) -> None:
            if done.done():
                return
            if fault is None:
                done.set_result(None)
            else:
                done.set_exception(fault)

        self.queue(work, reply, request, complete)
        return done

    def queue(
        self, work: Work, reply: bytes, request: Request | None, on_complete: OnComplete
    ) -> None:
        """Queue a unit. Its states become the pending ones of their entries now.

        Raises Unavailable where the server is closing, ValueError where it has too many rows.
        """
        if self._closing:
            raise Unavailable("the server is closing")
        if len(work.changes) + len(work.events) > MAX_ROWS:
            raise ValueError(f"a unit of work has at most {MAX_ROWS} rows")
        for entry, state in work.entries:
            entry.pending = state
            entry.in_flight += 1
        work.reply = reply
        work.request = request
        work.correlation_id = CORRELATION_ID.get()
        work.on_complete = on_complete
        if not len(self._queue) % MAX_BATCH:
            self._queued_at.append(self._clock.monotonic())
            self._wake.set()
        self._queue.append(work)

    async def watch(self) -> None:
        """Wait for the writer's end, and check the database also while nothing is committed.

        Raises what the writer crashed with; DatabaseGone where what is committed would be lost,
        HistoryLost where it was.
        """
        assert self._task is not None
        before = False
        while not self._task.done():
            await self._engine.look()
            now = bool(self._engine.check())
            self.blocked, before = before and now, now
            await asyncio.wait({self._task}, timeout=CHECK_EVERY_S)
        self._task.result()

    async def _run(self) -> None:
        batch: list[Work] = []
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
                    self._taken_at = self._queued_at.popleft()
                    await self._carry_out(batch)
                    self._taken_at = None
                if self._closing:
                    return
        finally:
            self._closing = True  # after a crash, nobody waits for what will not come
            for unit in (*batch, *self._queue):
                unit.complete(Unavailable("the writer has stopped"))

    async def _carry_out(self, batch: list[Work]) -> None:
        self._metrics.batch_units.observe(len(batch))
        outcomes: Sequence[Outcome]
        began = time.perf_counter()
        try:
            outcomes = await self._engine.commit(batch)
        except DatabaseGone:
            raise
        except Unavailable as e:
            log.warning(
                "commit_failed", units=len(batch), error=str(e), origins=correlation_ids(batch)
            )
            outcomes = [e] * len(batch)
        except Exception as e:
            # Whatever it is, nobody waits for ever, and the next batch is tried.
            log.exception("commit_failed", units=len(batch), origins=correlation_ids(batch))
            outcomes = [Unavailable(str(e))] * len(batch)
        took = time.perf_counter() - began
        self._metrics.commit_seconds.observe(took)
        self._took_s = took
        if took > SLOW_S or _debugging():
            self._log_batch(batch, outcomes, took)
        self.failing = all(isinstance(outcome, Unavailable) for outcome in outcomes)
        for unit, outcome in zip(batch, outcomes, strict=True):
            # The log lines of what follows its commit are about this unit.
            CORRELATION_ID.set(unit.correlation_id)
            self._complete(unit, outcome)
        CORRELATION_ID.set(None)

    @staticmethod
    def _log_batch(batch: list[Work], outcomes: Sequence[Outcome], took: float) -> None:
        say, event = (log.warning, "commit_slow") if took > SLOW_S else (log.debug, "committed")
        fallen = sum(isinstance(outcome, Exception) for outcome in outcomes)
        ms = round(took * 1000, 3)
        say(event, units=len(batch), fallen=fallen, ms=ms, origins=correlation_ids(batch))

    def _complete(self, unit: Work, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            unit.invalidate()
            for entry, _ in unit.entries:
                entry.unit_ended()
            unit.complete(outcome)
            return
        for entry, state in unit.entries:
            entry.committed = state
            entry.unit_ended()
        self._publish_events(unit, iter(outcome))
        unit.complete(None)

    def _committed_late(self, unit: Work, numbers: Numbers) -> None:
        """It was committed after all: its events are published to the rooms now."""
        for entry, _ in unit.entries:
            entry.forget()  # it may have been loaded anew, before this was known
        before = CORRELATION_ID.set(unit.correlation_id)
        self._publish_events(unit, iter(numbers))
        CORRELATION_ID.reset(before)

    def _publish_events(self, work: Work, numbers: Iterator[int]) -> None:
        """Publish a committed unit. A fault in one event stops neither the rest nor the reply."""
        for call in work.after_commit:
            try:
                call()
            except Exception:
                log.exception("telling_failed")
        for event in work.events:
            number = next(numbers) if event.kept else None
            try:
                self._publish(event, number)
            except Exception:
                log.exception("telling_failed")
