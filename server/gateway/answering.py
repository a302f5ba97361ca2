"""One message on its way to its answer: name, permission, limit, decode, handler, commit, reply.

It is a job of the runner while something is decided. While it waits for its commit, or for the
message that it repeats, nothing runs for it: it is called when that has ended.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, Protocol

import msgspec

from protocol import codec
from protocol.errors import Code, Error, Failure, busy, unavailable
from protocol.message import Limit
from server.database import MAX_DECISIONS, Database, Key, Request, Stale, Unavailable
from server.gateway.connection import Call, Connection, Data
from server.gateway.context import Context, Parts, Pending
from server.gateway.oversight import Overseen, Oversight
from server.gateway.requests import Requests, reused
from server.gateway.routes import Decided, Route, Routes, at_once, handle
from server.gateway.runner import Runner
from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import logger
from server.runtime.origin import ORIGIN, Origin, fault_id
from server.transport.backlog import Backlog
from server.transport.deadlines import Deadlines
from server.transport.websocket import LARGE_BYTES

log = logger("gateway")

OK: Final = "ok"
UNKNOWN: Final = "unknown"
"""Under which name is counted what has none of the registry's."""


class Desk(Protocol):
    """What all messages need."""

    routes: Routes
    parts: Parts
    clock: Clock
    gauges: Gauges
    deadlines: Deadlines
    requests: Requests
    runner: Runner
    backlog: Backlog
    database: Database | None
    oversight: Oversight | None
    under_way: "dict[Key, Answering]"
    is_logged: bool

    def count(self, connection: Connection, limit: Limit, now: float) -> None:
        """Count a message. Raises Failure `rate_limited`."""
        ...

    def admit(self, connection: Connection, route: Route, data: Data, now: float) -> msgspec.Struct:
        """The message, where it may be sent. Raises Failure."""
        ...

    def answered(self, connection: Connection) -> None:
        """A message of a connection has ended: its next one may be taken."""
        ...


class Answering(msgspec.Struct, eq=False):
    """A message of a connection, or the first of its inbox. Whatever happens, it is answered once.

    The route and the message are given where they are known already.
    """

    _desk: Desk
    connection: Connection
    _call: Call | None = None
    _route: Route | None = None
    _message: msgspec.Struct | None = None
    _origin: Origin | None = None
    _request: Request | None = None
    _pending: Pending[Any] | None = None
    _refusal: Failure | None = None  # it stands, unless the request was carried out before
    _after: Sequence[Callable[[], None]] = ()
    _repeats: "Sequence[tuple[Answering, Request]]" = ()  # messages that repeat it
    _decisions: int = 0
    _task: asyncio.Task[Any] | None = None  # the one in which it waits
    _expired: bool = False
    _ended: bool = False
    __repr__ = object.__repr__

    def at_once(self) -> bool:
        """Answer it now, or as soon as its unit stands, where nothing else is to be waited for.

        Returns whether it was so. If not, it is a job for the runner.
        """
        assert self._call is not None
        self._origin = (self.connection.id, self.connection.taken)
        before = ORIGIN.set(self._origin)
        try:
            message = self._message or self._admit(self._call)
            if message is None:
                return True
            route = self._route
            if route is None or route.direct is None or route.guarded:
                return False
            ctx = self._context()
            try:
                decided = at_once(route.direct, ctx, message)
                if decided is None:
                    self._decisions = 0
                    return False
                self._decided(ctx, decided)
            except Stale:
                return False
            except Failure as e:
                if self._request is None:
                    raise
                self._refusal = e
                return False
        except Exception as e:  # noqa: BLE001 - answered, and logged where it is a fault of ours
            self._fail(e)
        finally:
            ORIGIN.reset(before)
        return True

    # ---- as a job

    async def run(self) -> None:
        """Go on until it is answered, or waits to be called."""
        if self._ended:
            return
        call = self._call
        if call is None:
            connection = self.connection
            if not connection.inbox:  # it was closed meanwhile
                self._end()
                return
            self._call = call = connection.inbox.popleft()
            connection.inbox_bytes -= len(call.data)
            if connection.is_heavy:
                connection.is_heavy = connection.inbox_bytes > LARGE_BYTES
                self._desk.backlog.update(connection)
            connection.taken = number = connection.taken + 1
            self._origin = (connection.id, number)
        ORIGIN.set(self._origin)
        try:
            message = self._message or self._admit(call)
            del call
            if message is not None:
                await self._decide(message)
        except Exception as e:  # noqa: BLE001 - answered, and logged where it is a fault of ours
            self._fail(e)
        except asyncio.CancelledError:
            # Where others have cancelled the task as well, nobody is answered any more.
            if not self._expired or self._task is None or self._task.uncancel() > 0:
                self._end()
                raise
            self._fail(self._desk.deadlines.timed_out())
        finally:
            if self._task is not None:
                self._task = None

    def waits(self) -> None:
        """It has begun to wait for something in the current task."""
        if self._task is None:
            self._task = asyncio.current_task()
            self._desk.deadlines.begin(self)

    def expire(self) -> None:
        """It has taken too long. What it has queued is committed all the same."""
        self._expired = True
        if self._task is not None:
            self._task.cancel()
        else:
            self._as_itself(partial(self._fail, self._desk.deadlines.timed_out()))

    def _as_itself(self, call: Callable[[], None]) -> None:
        """Call something in whose log lines it is the origin."""
        before = ORIGIN.set(self._origin)
        try:
            call()
        finally:
            ORIGIN.reset(before)

    # ---- what is decided

    def _admit(self, call: Call) -> msgspec.Struct | None:
        """The message to decide on, None for one that repeats another. Raises Failure."""
        desk, connection = self._desk, self.connection
        now = desk.clock.monotonic()
        route = self._route or desk.routes[call.name]
        if route is None:
            desk.count(connection, Limit.READ, now)
            raise Failure(Error(Code.NOT_FOUND, f"no such command: {call.name[:100]}"))
        self._route = route
        message = desk.admit(connection, route, call.data, now)
        if len(call.data) > LARGE_BYTES:
            self._call = Call(call.name, b"", call.ack, call.at)  # it is decoded
        # Without a database nothing is kept, and nothing can be asked for again.
        request = None
        if desk.database is not None and route.is_command:
            request = desk.requests.of(connection.identity.id, route.spec, message)
        if request is not None:
            if (first := desk.under_way.get(request.key)) is not None:
                first.repeated(self, request)
                self._message = message
                return None
            # A command that acts on others gives its reply again only after a look at its caller.
            if not route.guarded and (kept := desk.requests.recent(request)) is not None:
                self._reply(kept)
                return None
            self._request = request
            desk.under_way[request.key] = self
        self._message = message
        return message

    def repeated(self, again: "Answering", request: Request) -> None:
        """Another message asks for the same: it gets the same answer.

        Raises Failure `conflict` where it asks for something else.
        """
        assert self._request is not None
        if request.digest != self._request.digest:
            raise reused()
        self._repeats = (*self._repeats, (again, request))

    def _decide_itself(self, request: Request) -> None:
        """What it repeats has ended: look at its own caller, then at what was done."""
        if (first := self._desk.under_way.get(request.key)) is not None:
            first.repeated(self, request)
            return
        self._request = request
        self._desk.under_way[request.key] = self
        self._desk.runner.add(self)

    async def _decide(self, message: msgspec.Struct) -> None:
        """Run the handler, again while what it decided on has changed. Raises Failure `busy`.

        The caller of a command that acts on others is looked at before each decision: where it is
        stale because the caller's rights were taken away, the caller is told so.
        """
        route = self._route
        assert route is not None
        while True:
            if route.guarded:
                assert self._desk.oversight is not None
                await self._desk.oversight.check(self.connection.identity)
            # What is stale or refused now may be because it was done before.
            if (self._decisions or route.guarded) and await self._was_done(self._refusal):
                return
            if self._refusal is not None:
                raise self._refusal
            if self._decisions == MAX_DECISIONS:
                raise busy("write conflict: others change the same; retry")
            ctx = self._context()
            try:
                self._decided(ctx, await handle(ctx, message))
            except Stale:
                continue
            except Failure as e:
                if await self._was_done(e):
                    return
                raise
            return

    def _context(self) -> Context:
        """For one more attempt."""
        self._decisions += 1
        desk, route = self._desk, self._route
        overseen = None
        if route is not None and route.overseen:
            assert desk.oversight is not None
            assert self._message is not None
            overseen = Overseen(desk.oversight, route.spec, self._message)
        return Context(
            self.connection, desk.parts, desk.database, desk.clock, self._request, overseen
        )

    def _decided(self, ctx: Context, reply: Decided) -> None:
        """Answer, or wait to be called once the unit stands."""
        if ctx.pending is None and (self._request is not None or ctx.is_overseen):
            # Nothing needed to change. The reply is a promise all the same, and so is the guard.
            assert not isinstance(reply, Pending)
            ctx.commit(ctx.work(), reply)
        self._after = ctx.after_reply
        if ctx.pending is None:
            self._reply(codec.encode(reply))
        else:
            self._pending = ctx.pending
            self._desk.deadlines.begin(self)
            ctx.pending.then(self._settled)

    async def _was_done(self, refusal: Failure | None) -> bool:
        """Answer with the reply that the request got before.

        Raises Failure `conflict`; Unavailable, unless it is refused as `busy`: then it is sent
        again, and looked for again.
        """
        if self._request is None:
            return False
        assert self._desk.database is not None
        try:
            kept = await self._desk.requests.find(self._desk.database, self._request)
        except Unavailable:
            if refusal is None or refusal.error.code is not Code.BUSY:
                raise
            return False
        if kept is not None:
            self._reply(kept)
        return kept is not None

    def _settled(self, fault: Exception | None) -> None:
        """The unit stands, or there is a fault."""
        assert self._pending is not None
        data = self._pending.data
        if fault is None and self._request is not None:
            self._desk.requests.remember(self._request, data)
        if self._ended:
            return
        if fault is None:
            self._reply(data)
        elif isinstance(fault, Stale):
            self._desk.runner.add(self)
        else:
            self._fail(fault)

    # ---- the answer

    @property
    def _name(self) -> str:
        return UNKNOWN if self._route is None else self._route.name

    def _fail(self, fault: Exception) -> None:
        """Answer with what went wrong."""
        error = error_of(fault, self._name, self.connection)
        self._answer(error.code, codec.reply_error(error))

    def _reply(self, data: bytes) -> None:
        """Answer that all went well."""
        self._answer(OK, data)

    def _answer(self, code: str, given: bytes) -> None:
        """Give the answer: the data where all is well, else a whole reply."""
        assert self._call is not None
        desk, route = self._desk, self._route
        took = desk.clock.monotonic() - self._call.at
        if route is not None and code == OK:
            route.ok.count += 1
            route.timed.add(took)
        else:
            desk.gauges.replies.add(self._name, code)
            desk.gauges.reply_seconds.add(self._name, took)
        if desk.is_logged:
            log_answer(self.connection, self._name, code, took)
        try:
            if code == OK:
                self.connection.reply(self._call.ack, given)
            else:
                self.connection.answer(self._call.ack, given)
            for after in self._after:
                after()
        except Exception:
            log.exception("reply_failed", connection=self.connection.id)
        guarded = route is not None and route.guarded
        for again, request in self._end():
            if guarded:
                again._decide_itself(request)
            else:
                again._as_itself(partial(again._answer, code, given))

    def _end(self) -> "Sequence[tuple[Answering, Request]]":
        """Nothing more comes of it. Returns what repeats it."""
        self._ended = True
        self._desk.deadlines.end(self)
        if self._request is not None:
            del self._desk.under_way[self._request.key]
        self._desk.answered(self.connection)
        return self._repeats


def error_of(fault: Exception, name: str, connection: Connection) -> Error:
    """What a message is answered with that raised. A fault of ours is logged under an id."""
    if isinstance(fault, Failure):
        if fault.error.code is Code.TIMED_OUT:
            log.warning("timed_out", command=name, connection=connection.id)
        return fault.error
    if isinstance(fault, Unavailable):
        return unavailable(f"the database: {fault}").error
    log.error("handler_failed", command=name, exc_info=fault)
    return Error(Code.INTERNAL, f"a fault of the server, logged as {fault_id()}")


def log_answer(connection: Connection, name: str, code: str, took_s: float) -> None:
    """One line a message: its registered name only, as any other is the client's words."""
    who, ms = connection.identity.id, round(took_s * 1000, 3)
    log.debug("answered", command=name, code=str(code), ms=ms, person=who)
