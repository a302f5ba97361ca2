"""The executor: takes one message from its name to its reply.

On the way: permission, rate limit, decoding, handler, commit. The handler runs again where what it
decided on has changed.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from protocol import codec
from protocol.errors import Code, Error, Failure, forbidden, internal, unavailable
from protocol.gateway import EvictionReason
from protocol.message import Limit
from server.database import MAX_DECISIONS, Request, Stale, Unavailable, WriteConflict
from server.gateway.connection import Call, Connection
from server.gateway.context import CommitHandle, Context
from server.gateway.handler_registry import Decided, HandlerEntry, handle
from server.gateway.oversight import Overseen
from server.gateway.requests import reused
from server.runtime.correlation import CORRELATION_ID, CorrelationId, fault_id
from server.runtime.log import logger
from server.transport.websocket import LARGE_BYTES

if TYPE_CHECKING:
    from server.gateway.dispatch import Dispatch

log = logger("gateway")

OK: Final = "ok"
UNKNOWN: Final = "unknown"
"""The name under which messages are counted that the registry does not know."""


class PendingMessage(msgspec.Struct, eq=False):
    """A message of a connection, or the first of its inbox. It is replied to once in any case.

    It is a job of the runner while something is decided. While it waits for its commit, or for the
    message that it repeats, no task waits with it: it is called when that has ended.
    """

    _dispatch: "Dispatch"
    connection: Connection
    _call: Call | None = None
    _entry: HandlerEntry | None = None
    _message: msgspec.Struct | None = None
    _correlation_id: CorrelationId | None = None
    _request: Request | None = None
    _commit_handle: CommitHandle[Any] | None = None
    _refusal: Failure | None = None  # the reply, unless the request was carried out before
    _after: Sequence[Callable[[], None]] = ()
    _repeats: "Sequence[tuple[PendingMessage, Request]]" = ()  # messages that repeat it
    _decisions: int = 0
    _task: asyncio.Task[Any] | None = None  # the one in which it waits
    _expired: bool = False
    _ended: bool = False
    __repr__ = object.__repr__

    def at_once(self) -> bool:
        """Execute it now, if its handler has to wait for nothing but the commit.

        Returns whether it was so. If not, it is a job for the runner.
        """
        assert self._call is not None
        self._correlation_id = (self.connection.id, self.connection.taken)
        before = CORRELATION_ID.set(self._correlation_id)
        try:
            message = self._admit(self._call)
            if message is None:
                return True
            entry = self._entry
            if entry is None or entry.direct is None or entry.guarded:
                return False
            ctx = self._context()
            try:
                decided = entry.direct(ctx, message)
                if type(decided) is CoroutineType:  # the abstract class takes longer to ask for
                    decided.close()
                    self._decisions = 0
                    return False
                self._decided(ctx, decided)  # type: ignore[arg-type]  # it is no coroutine
            except Stale:
                return False
            except Failure as e:
                if self._request is None:
                    raise
                self._refusal = e
                return False
        except Exception as e:  # noqa: BLE001 - replied to, and logged where it is a fault of ours
            self._fail(e)
        finally:
            CORRELATION_ID.reset(before)
        return True

    # ---- as a job

    async def run(self) -> None:
        """Go on until it is replied to, or waits to be called."""
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
                self._dispatch.backlog.update(connection)
            connection.taken = number = connection.taken + 1
            self._correlation_id = (connection.id, number)
        CORRELATION_ID.set(self._correlation_id)
        try:
            message = self._message or self._admit(call)
            del call
            if message is not None:
                await self._decide(message)
        except Exception as e:  # noqa: BLE001 - replied to, and logged where it is a fault of ours
            self._fail(e)
        except asyncio.CancelledError:
            # Where others have cancelled the task as well, nobody gets a reply any more.
            if not self._expired or self._task is None or self._task.uncancel() > 0:
                for again, _ in self._end():
                    again._end()
                raise
            self._fail(self._dispatch.timed_out())
        finally:
            if self._task is not None:
                self._task = None

    def waits(self) -> None:
        """It has begun to wait for something in the current task."""
        if self._task is None:
            self._task = asyncio.current_task()
            self._dispatch.deadlines.begin(self)

    def expire(self) -> None:
        """It has taken too long. What it has queued is committed all the same."""
        self._expired = True
        if self._task is not None:
            self._task.cancel()
        else:
            self._as_itself(partial(self._fail, self._dispatch.timed_out()))

    def _as_itself(self, call: Callable[[], None]) -> None:
        """Call something whose log lines have its correlation id."""
        before = CORRELATION_ID.set(self._correlation_id)
        try:
            call()
        finally:
            CORRELATION_ID.reset(before)

    # ---- what is decided

    def _admit(self, call: Call) -> msgspec.Struct | None:
        """The message to decide on, None for one that repeats another. Raises Failure."""
        dispatch, connection = self._dispatch, self.connection
        now = dispatch.clock.monotonic()
        entry = self._entry or dispatch.handlers[call.name]
        if entry is None:
            dispatch.limits.count(connection, Limit.READ, now)
            raise Failure(Error(Code.NOT_FOUND, f"no such command: {call.name[:100]}"))
        self._entry = entry
        if entry.permission not in connection.identity.permissions:
            dispatch.limits.count(connection, Limit.READ, now)
            raise forbidden(f"{entry.name} requires the permission {entry.permission}")
        buckets = connection.buckets.get(entry.limit)
        if buckets is None or not buckets.take(now):
            dispatch.limits.count(connection, entry.limit, now)
        try:
            message = entry.decode(call.data)
        except codec.UNREADABLE as e:
            raise codec.unreadable(e) from None
        if len(call.data) > LARGE_BYTES:
            self._call = Call(call.name, b"", call.ack, call.at)  # it is decoded
        # Without a database nothing is kept, and nothing can be asked for again.
        request = None
        if dispatch.database is not None and entry.is_command:
            request = dispatch.requests.of(connection.identity.id, entry.spec, message)
        if request is not None:
            if (first := dispatch.under_way.get(request.key)) is not None:
                first.repeated(self, request)
                self._message = message
                return None
            # A command that acts on others gives its reply again only after a look at its caller.
            if not entry.guarded and (kept := dispatch.requests.recent(request)) is not None:
                self._reply(OK, kept)
                return None
            self._request = request
            dispatch.under_way[request.key] = self
        self._message = message
        return message

    def repeated(self, again: "PendingMessage", request: Request) -> None:
        """Another message asks for the same: it gets the same reply.

        Raises Failure `conflict` where it asks for something else.
        """
        assert self._request is not None
        if request.digest != self._request.digest:
            raise reused()
        self._repeats = (*self._repeats, (again, request))

    def _decide_itself(self, request: Request) -> None:
        """What it repeats has ended: look at its own caller, then at what was done."""
        if (first := self._dispatch.under_way.get(request.key)) is not None:
            first.repeated(self, request)
            return
        self._request = request
        self._dispatch.under_way[request.key] = self
        self._dispatch.runner.add(self)

    async def _decide(self, message: msgspec.Struct) -> None:
        """Run the handler, again while what it decided on has changed. Raises Failure `busy`.

        The caller of a command that acts on others is looked at before each decision: where it is
        stale because the caller's rights were taken away, the caller is told so.
        """
        entry = self._entry
        assert entry is not None
        while True:
            if entry.guarded:
                assert self._dispatch.oversight is not None
                await self._dispatch.oversight.check(self.connection.identity)
            # What is stale or refused now may be because it was done before.
            if (self._decisions or entry.guarded) and await self._was_done(self._refusal):
                return
            if self._refusal is not None:
                raise self._refusal
            if self._decisions == MAX_DECISIONS:
                raise WriteConflict
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
        dispatch, entry = self._dispatch, self._entry
        overseen = None
        if entry is not None and entry.overseen:
            assert dispatch.oversight is not None
            assert self._message is not None
            overseen = Overseen(dispatch.oversight, entry.spec, self._message)
        return Context(
            self.connection,
            dispatch.service,
            dispatch.database,
            dispatch.clock,
            self._request,
            overseen,
        )

    def _decided(self, ctx: Context, reply: Decided) -> None:
        """Reply, or wait to be called once the unit is committed."""
        if ctx.commit_handle is None and (self._request is not None or ctx.is_overseen):
            # Nothing needed to change. The reply is a promise all the same, and so is the guard.
            assert not isinstance(reply, CommitHandle)
            ctx.commit(ctx.work(), reply)
        self._after = ctx.reply_callbacks
        if ctx.commit_handle is None:
            self._reply(OK, codec.encode(reply))
        else:
            self._commit_handle = ctx.commit_handle
            self._dispatch.deadlines.begin(self)
            ctx.commit_handle.on_done(self._committed)

    async def _was_done(self, refusal: Failure | None) -> bool:
        """Reply with what the request got before.

        Raises Failure `conflict`; Unavailable, unless it is refused as `busy`: then it is sent
        again, and looked for again.
        """
        if self._request is None:
            return False
        assert self._dispatch.database is not None
        try:
            kept = await self._dispatch.requests.find(self._dispatch.database, self._request)
        except Unavailable:
            if refusal is None or refusal.error.code is not Code.BUSY:
                raise
            return False
        if kept is not None:
            self._reply(OK, kept)
        return kept is not None

    def _committed(self, fault: Exception | None) -> None:
        """The unit is committed, or there is a fault."""
        assert self._commit_handle is not None
        data = self._commit_handle.data
        if fault is None and self._request is not None:
            self._dispatch.requests.remember(self._request, data)
        if self._ended:
            return
        if fault is None:
            self._reply(OK, data)
        elif isinstance(fault, Stale):
            self._dispatch.runner.add(self)
        else:
            self._fail(fault)

    # ---- the reply

    @property
    def _name(self) -> str:
        return UNKNOWN if self._entry is None else self._entry.name

    def _fail(self, fault: Exception) -> None:
        """Reply with what went wrong."""
        if self._entry is not None:
            fault = self._entry.spec.checked(fault)
        error = _error_of(fault, self._name, self.connection)
        self._reply(error.code, codec.reply_error(error))

    def _reply(self, code: str, given: bytes) -> None:
        """Send the reply: `given` is its data where all is well, else the whole reply."""
        assert self._call is not None
        dispatch, entry, connection = self._dispatch, self._entry, self.connection
        took_s = dispatch.clock.monotonic() - self._call.at
        if entry is not None and code == OK:
            entry.ok.count += 1
            entry.timed.add(took_s)
        else:
            dispatch.metrics.replies.add(self._name, code)
            dispatch.metrics.reply_seconds.add(self._name, took_s)
        if dispatch.is_logged:
            # Its registered name only, as any other is the client's words.
            ms, user_id = round(took_s * 1000, 3), connection.identity.id
            log.debug("answered", command=self._name, code=str(code), ms=ms, person=user_id)
        try:
            if code == OK:
                connection.reply(self._call.ack, given)
            else:
                connection.answer(self._call.ack, given)
            for after in self._after:
                after()
        except Exception:
            log.exception("reply_failed", connection=connection.id)
        guarded = entry is not None and entry.guarded
        for again, request in self._end():
            if guarded:
                again._decide_itself(request)
            else:
                again._as_itself(partial(again._reply, code, given))

    def _end(self) -> "Sequence[tuple[PendingMessage, Request]]":
        """Nothing more comes of it: the next one may be taken. Returns what repeats it."""
        dispatch, connection = self._dispatch, self.connection
        self._ended = True
        dispatch.deadlines.end(self)
        if self._request is not None:
            del dispatch.under_way[self._request.key]
        if connection.flood_guard.exceeded and not connection.closed:
            connection.evict(EvictionReason.FLOODING)
        if connection.inbox:
            dispatch.runner.add(PendingMessage(dispatch, connection))
        elif (done := dispatch.pending.pop(connection)) is not None:
            done.set_result(None)
        return self._repeats


def _error_of(fault: Exception, name: str, connection: Connection) -> Error:
    """What a message that raised is replied to with. A fault of ours is logged under an id."""
    if isinstance(fault, Failure):
        if fault.error.code is Code.TIMED_OUT:
            log.warning("timed_out", command=name, connection=connection.id)
        return fault.error
    if isinstance(fault, Unavailable):
        return unavailable(f"the database is unavailable: {fault}").error
    log.error("handler_failed", command=name, exc_info=fault)
    return internal(fault_id())
