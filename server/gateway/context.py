"""What a handler is given: who calls, the time, the server's services, and the way to commit."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from protocol import codec
from protocol.times import rfc3339
from server.database import Database, Request, Work
from server.database.work import MAX_REPLY_BYTES
from server.gateway.connection import Connection
from server.gateway.identity import Identity
from server.gateway.oversight import Overseen
from server.runtime.clock import Clock

P = TypeVar("P")
R = TypeVar("R", bound=msgspec.Struct)


class Services(dict[type, Any]):
    """The services of one server, such as a domain's store, by type. `app.py` adds them."""

    def add(self, service: object) -> None:
        """Add a service. One of each type."""
        self[type(service)] = service


class GetService(Protocol):
    """Gives a service by its type. Raises KeyError where there is none."""

    def __call__(self, kind: type[P], /) -> P:
        """The service of a type."""
        ...


class CommitHandle(msgspec.Struct, Generic[R], eq=False):
    """A unit that is being committed, and the reply that is sent once it is committed.

    A handler ends with it, which costs no task and no future while it waits for the disk. One that
    has something to do after the commit awaits it; that gives the reply.

    Raises, where it is awaited, Stale (the handler runs again) and Unavailable.
    """

    reply: R
    data: bytes
    is_done: bool = False
    _fault: Exception | None = None
    _call: Callable[[Exception | None], None] | None = None
    __repr__ = object.__repr__

    def complete(self, fault: Exception | None) -> None:
        """The unit is committed, or there is a fault. Called once, by the writer."""
        self.is_done, self._fault = True, fault
        # Let go of, or the two would hold each other: what is thrown away as a ring is found by the
        # garbage collector alone, and for every strike that takes a tenth of the server's time.
        call, self._call = self._call, None
        if call is not None:
            call(fault)

    def on_done(self, call: Callable[[Exception | None], None]) -> None:
        """Call something with the fault once it is done: at once where it is.

        One waits for it: the handler, or who it is handed to.
        """
        if self.is_done:
            call(self._fault)
        else:
            self._call = call

    def __await__(self) -> Generator[Any, None, R]:
        if not self.is_done:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.on_done(lambda _: None if woken.done() else woken.set_result(None))
            yield from woken
        if self._fault is not None:
            raise self._fault
        return self.reply


class Context(msgspec.Struct, eq=False):
    """One attempt at one message. Its time stands still, so that a decision is of one moment.

    `service` gives a service of the server by its type: `ctx.service(Players)`.
    """

    connection: Connection
    service: GetService
    _database: Database | None
    _clock: Clock
    request: Request | None
    _overseen: Overseen | None = None
    commit_handle: CommitHandle[Any] | None = None
    reply_callbacks: Sequence[Callable[[], None]] = ()
    _now: int | None = None
    __repr__ = object.__repr__

    @property
    def now(self) -> int:
        """The moment of the attempt: wall time, milliseconds since 1970 UTC."""
        now = self._now
        if now is None:
            now = self._now = self._clock.now_ms()
        return now

    @property
    def user(self) -> Identity:
        """Who calls."""
        return self.connection.identity

    @property
    def is_overseen(self) -> bool:
        """Whether what it commits carries its caller or an audit row: see `oversight.py`."""
        return self._overseen is not None

    def work(self) -> Work:
        """A unit of work of this moment. One of a command that acts on others holds its caller."""
        work = Work(rfc3339(self.now), actor=self.connection.identity.actor)
        if self._overseen is not None:
            self._overseen.guard(work, self.user)
        return work

    def commit(self, work: Work, reply: R) -> CommitHandle[R]:
        """Queue a unit: once it is committed, its events are published, its reply kept and sent.

        A handler returns what this gives.

        Raises Failure `busy` where commits wait for too long; Unavailable; ValueError for a reply
        that is too large to be kept.
        """
        assert self._database is not None
        self._database.writer.admit()
        data = codec.encode(reply)
        if self.request is not None and len(data) > MAX_REPLY_BYTES:
            raise ValueError(f"a kept reply has at most {MAX_REPLY_BYTES} bytes, not {len(data)}")
        if self._overseen is not None:
            self._overseen.guard(work, self.user)  # a handler may have made it otherwise
            self._overseen.record(work, reply, self.connection, self.now)
        handle = CommitHandle(reply, data)
        self._database.writer.queue(work, data, self.request, handle.complete)
        self.commit_handle = handle
        return handle

    def after_reply(self, call: Callable[[], None]) -> None:
        """Call something once the reply is in the client's queue."""
        self.reply_callbacks = (*self.reply_callbacks, call)
