"""Takes in the messages of all connections, and runs those of one client in order.

What becomes of one message is in `pending_message.py`.
"""

import asyncio
import contextvars
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Protocol

from protocol import codec
from protocol.connections import Transport
from protocol.errors import Code, Error, Failure, busy, unavailable
from protocol.gateway import EvictionReason
from protocol.message import RATES, REGISTRY, Limit, Rates, Registry
from server.database import Database, Key
from server.gateway.backlog import Backlog
from server.gateway.connection import MAX_INBOX, Call, Connection, Data
from server.gateway.context import GetService, Services
from server.gateway.handler_registry import HandlerRegistry
from server.gateway.oversight import Oversight
from server.gateway.pending_message import UNKNOWN, PendingMessage
from server.gateway.rate_limits import Limits, MessageLimits
from server.gateway.requests import Requests
from server.runtime.clock import Clock
from server.runtime.correlation import written
from server.runtime.log import debugging, logger
from server.runtime.metrics import Metrics
from server.transport.deadlines import Deadlines
from server.transport.websocket import LARGE_BYTES

log = logger("gateway")


AT_ONCE: Final = 100
"""So many jobs are carried out before the loop looks at the sockets again."""
HELPERS: Final = 2
"""So many more tasks where a job waits: if all do, each turn of the loop begins twice as many."""


class Job(Protocol):
    """Something to do."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Do it. What it raises is logged."""
        ...

    def waits(self) -> None:
        """It has begun to wait, in the current task. Called each time."""
        ...


class Runner:
    """Jobs that are ready, and the tasks that carry them out: no task for each.

    A task carries out one job after the other, and one that never waits costs neither a task nor a
    future. Where a job does wait, its task stays with it, and others go on with the rest. So every
    job runs in a task of asyncio: `asyncio.timeout` and all else that needs the current task works.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._ready: deque[Job] = deque()
        self._free: set[asyncio.Task[None]] = set()  # those that take what is ready
        self._waiting: set[asyncio.Task[None]] = set()  # those that stay with a job

    def add(self, job: Job) -> None:
        """Carry out a job after those that are ready."""
        self._ready.append(job)
        if not self._free:
            self._hire()

    def _hire(self) -> None:
        # What is set in a context is of one job: none begins with what another has left.
        self._free.add(
            asyncio.create_task(self._run(), name=self._name, context=contextvars.Context())
        )

    async def _run(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        try:
            while self._ready and me in self._free:
                for _ in range(AT_ONCE):
                    await self._carry_out(self._ready.popleft(), me)
                    if not self._ready or me not in self._free:
                        break
                else:
                    await asyncio.sleep(0)
        finally:
            self._waiting.discard(me)
            self._leave(me)

    def _leave(self, task: "asyncio.Task[None]") -> None:
        """A task takes nothing more of what is ready."""
        if task not in self._free:
            return
        self._free.remove(task)
        for _ in range(min(HELPERS, len(self._ready) - len(self._free))):
            self._hire()

    @types.coroutine
    def _carry_out(self, job: Job, me: "asyncio.Task[None]") -> Generator[Any, Any, None]:
        """Await a job, and see when it waits."""
        work = job.run()
        step: Callable[[Any], Any] = work.send
        given: Any = None
        try:
            while True:
                awaited = step(given)
                self._waiting.add(me)
                self._leave(me)
                job.waits()
                try:
                    step, given = work.send, (yield awaited)
                except BaseException as e:  # noqa: BLE001 - thrown into the task, for the job
                    step, given = work.throw, e
        except StopIteration:
            return
        except Exception:
            log.exception("job_failed", job=self._name)


class Dispatch:
    """Takes in the messages of all connections.

    `pending` are the connections with messages that are not replied to, each with the future of a
    caller of `settle` that waits for the last reply.
    """

    def __init__(
        self,
        services: Services,
        clock: Clock,
        addresses: Limits,
        metrics: Metrics,
        deadlines: Deadlines,
        backlog: Backlog,
        registry: Registry = REGISTRY,
        rates: Rates = RATES,
    ) -> None:
        self.service: GetService = services.__getitem__  # each was added under its own type
        self.clock = clock
        self.metrics = metrics
        self.deadlines = deadlines
        self.backlog = backlog
        self.handlers = HandlerRegistry(registry, metrics)
        self.limits = MessageLimits(Limits(rates), addresses)
        self.requests = Requests()
        self.runner = Runner("answers")
        self.under_way: dict[Key, PendingMessage] = {}
        self.pending: dict[Connection, asyncio.Future[None] | None] = {}
        self.draining = False
        self.oversight: Oversight | None = None  # who may act on others; none in conformance mode
        self.database: Database | None = None  # opened after the rooms that it publishes to
        self.is_logged = debugging("gateway")()  # levels are set before anything begins
        self._monotonic = clock.monotonic

    def accept(self, connection: Connection, name: str, data: Data, ack: str) -> None:
        """Take a message in: it is executed after those that the client sent before.

        `ack` names it in its reply; it is "" where none is wanted. Nothing more is executed for a
        connection that we have closed.
        """
        if connection.closed:
            return
        connection.received += 1
        call = Call(name, data, ack, self._monotonic())
        entry = self.handlers[name]
        if (connection in self.pending or self.draining or entry is None) and self._is_put_off(
            connection, call
        ):
            return
        connection.taken += 1
        self.pending[connection] = None
        message = PendingMessage(self, connection, call, entry)
        if not message.at_once():
            self.runner.add(message)

    def _is_put_off(self, connection: Connection, call: Call) -> bool:
        """Refuse a message, or queue it behind those before it. False where it is its turn."""
        error = None
        if self.draining:
            error = unavailable("the server is closing").error
        elif len(connection.inbox) >= MAX_INBOX:
            error = busy(f"more than {MAX_INBOX} messages of this connection are pending").error
        elif connection.is_unread and connection.transport is Transport.POLLING:
            # A WebSocket is not read meanwhile; a body of polling has come already.
            error = busy("too many bytes of this connection are pending").error
        if error is not None:
            connection.answer(call.ack, codec.reply_error(error))
            return True
        if connection not in self.pending:
            return False
        connection.inbox.append(call)
        connection.inbox_bytes += len(call.data)
        if connection.inbox_bytes > LARGE_BYTES:
            connection.is_heavy = True
            self.backlog.update(connection)
        return True

    def refuse(self, connection: Connection, error: Error, ack: str) -> None:
        """Reply to what can't be read. It counts like a query."""
        if connection.closed:
            return
        connection.received += 1
        try:
            self.limits.count(connection, Limit.READ, self._monotonic())
        except Failure as e:
            error = e.error
        self.metrics.replies.add(UNKNOWN, error.code)
        connection.answer(ack, codec.reply_error(error))
        connection.taken += 1
        if self.is_logged:
            origin = written((connection.id, connection.taken))
            log.debug("unreadable", code=str(error.code), origin=origin, connection=connection.id)
        if connection.flood_guard.exceeded and not connection.closed:
            connection.evict(EvictionReason.FLOODING)

    def timed_out(self) -> Failure:
        """What a message that is late is replied to with."""
        text = f"no reply within {self.deadlines.limit_s:g} s; the command may still be committed"
        return Failure(Error(Code.TIMED_OUT, text))

    async def settle(self, connection: Connection | None = None) -> None:
        """Wait until all that was taken in, from one connection or from all, is replied to."""
        if connection is None:
            while self.pending:
                await self.settle(next(iter(self.pending)))
        elif connection in self.pending:
            done = self.pending[connection]
            if done is None:
                done = self.pending[connection] = asyncio.get_running_loop().create_future()
            await asyncio.wait([done])
