"""The one path of every message: name, permission, limit, decode, handler, commit, reply.

Whatever happens, each message gets its answer; the messages of one client are answered in order.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from protocol import codec
from protocol.errors import Code, Error, Failure, busy, forbidden, unavailable
from protocol.gateway import EvictionReason
from protocol.message import RATES, REGISTRY, Kind, Limit, Registry, Spec, spec_of
from server.database import Database, Request, Stale, Unavailable
from server.gateway.connection import MAX_INBOX, Call, Connection
from server.gateway.context import Context, Parts
from server.gateway.deadlines import Deadlines
from server.gateway.limits import Limits
from server.gateway.requests import Requests, UnderWay, reused
from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import debugging, logger
from server.runtime.origin import ORIGIN, fault_id, written

log = logger("gateway")
_debugging = debugging("gateway")

MAX_DECISIONS: Final = 5

Handler = Callable[[Context, Any], Awaitable[msgspec.Struct]]

_handlers: dict[type, Handler] = {}


def handles(message: type[msgspec.Struct]) -> Callable[[Handler], Handler]:
    """Make a function the handler of a command or query.

    It may run again when what it decided on has changed, so it changes nothing but by
    `ctx.commit`. It raises Failure to refuse.
    """

    def register(handler: Handler) -> Handler:
        spec_of(message)
        if message in _handlers:
            raise ValueError(f"{message.__name__} has a handler already")
        _handlers[message] = handler
        return handler

    return register


def unhandled(registry: Registry = REGISTRY) -> list[str]:
    """Names of a registry's commands and queries that nobody handles."""
    calls = registry.specs(Kind.COMMAND, Kind.QUERY)
    return [spec.name for spec in calls if spec.type not in _handlers]


class Dispatch:
    """Answers messages."""

    def __init__(
        self,
        parts: Parts,
        clock: Clock,
        addresses: Limits,
        gauges: Gauges,
        deadlines: Deadlines,
        registry: Registry = REGISTRY,
    ) -> None:
        self._find = registry.find
        self._parts = parts
        self._clock = clock
        self._people = Limits(RATES, scale=registry.limit_scale)
        self._addresses = addresses
        self._gauges = gauges
        self._deadlines = deadlines
        self._requests = Requests()
        self._answering: dict[Connection, asyncio.Task[None]] = {}
        self.draining = False
        self.database: Database | None = None  # opened after the rooms that it publishes to

    def accept(self, connection: Connection, call: Call) -> None:
        """Take a message in. It is answered after those that the client sent before.

        Nothing more is answered on a connection that we have closed.
        """
        if connection.closed:
            return
        connection.received += 1
        if self.draining:
            connection.answer(
                call.ack, codec.reply_error(unavailable("the server is closing").error)
            )
            return
        if len(connection.inbox) >= MAX_INBOX:
            error = busy(f"more than {MAX_INBOX} messages wait to be answered").error
            connection.answer(call.ack, codec.reply_error(error))
            return
        connection.inbox.append(call)
        if connection not in self._answering:
            self._answering[connection] = asyncio.create_task(
                self._drain(connection), name=f"answers:{connection.id}"
            )

    def refuse(self, connection: Connection, error: Error, ack: str) -> None:
        """Answer what can't be read. It counts like a question."""
        if connection.closed:
            return
        connection.received += 1
        try:
            self._count(connection, Limit.READ)
        except Failure as e:
            error = e.error
        connection.answer(ack, codec.reply_error(error))
        connection.taken += 1
        if _debugging():
            origin = written((connection.id, connection.taken))
            log.debug("unreadable", code=str(error.code), origin=origin, connection=connection.id)
        self._let_go(connection)

    async def settle(self, connection: Connection | None = None) -> None:
        """Wait until all that was taken in, from one connection or from all, is answered."""
        if connection is not None:
            if (task := self._answering.get(connection)) is not None:
                await asyncio.wait([task])
            return
        while self._answering:
            await asyncio.wait(list(self._answering.values()))

    async def _drain(self, connection: Connection) -> None:
        try:
            while connection.inbox:
                try:
                    await self._answer(connection, connection.inbox.popleft())
                except Exception:
                    log.exception("reply_failed", connection=connection.id)
        finally:
            del self._answering[connection]

    async def _answer(self, connection: Connection, call: Call) -> None:
        """Answer one message: a fault is answered and logged under an id."""
        connection.taken = number = connection.taken + 1
        ORIGIN.set((connection.id, number))
        spec = self._find(call.name)
        later: list[Callable[[], None]] = []
        code = "ok"
        try:
            reply = await self._reply(connection, spec, call, later)
        except Failure as e:
            code, reply = e.error.code, codec.reply_error(e.error)
            if code is Code.TIMED_OUT:
                log.warning("timed_out", command=call.name[:100], connection=connection.id)
        except Unavailable as e:
            code = Code.UNAVAILABLE
            reply = codec.reply_error(unavailable(f"the database: {e}").error)
        except Exception:
            code = Code.INTERNAL
            log.exception("handler_failed", command=call.name[:100])
            message = f"a fault of the server, logged as {fault_id()}"
            reply = codec.reply_error(Error(Code.INTERNAL, message))
        name = "unknown" if spec is None else spec.name
        self._gauges.replies.labels(name, code).inc()
        took = self._clock.monotonic() - call.at
        self._gauges.reply_seconds.labels(name).observe(took)
        if _debugging():
            self._log_answer(connection, name, code, took)
        connection.answer(call.ack, reply)
        for after in later:
            after()
        self._let_go(connection)

    @staticmethod
    def _log_answer(connection: Connection, name: str, code: str, took: float) -> None:
        """One line a message: its registered name only, as any other is the client's words."""
        who = connection.identity.id
        log.debug("answered", command=name, code=str(code), ms=round(took * 1000, 3), person=who)

    def _count(self, connection: Connection, limit: Limit) -> None:
        """Count a message of a person and of an address. Raises Failure `rate_limited`."""
        who, now = connection.identity.id, self._clock.monotonic()
        try:
            self._people.check(who, limit, now)
            try:
                self._addresses.check(connection.network, limit, now)
            except Failure:
                self._people.give_back(who, limit)
                raise
        except Failure as e:
            assert e.error.retry_after_ms is not None
            connection.pace.refused(limit, (e.error.retry_after_ms - 1) / 1000, now)
            raise

    @staticmethod
    def _let_go(connection: Connection) -> None:
        if connection.pace.lost and not connection.closed:
            connection.evict(EvictionReason.FLOODING)

    async def _reply(
        self,
        connection: Connection,
        spec: Spec | None,
        call: Call,
        later: list[Callable[[], None]],
    ) -> bytes:
        if spec is None or spec.kind is Kind.EVENT:
            self._count(connection, Limit.READ)
            raise Failure(Error(Code.NOT_FOUND, f"no such command: {call.name[:100]}"))
        assert spec.permission is not None
        assert spec.limit is not None
        if not connection.identity.may(spec.permission):
            self._count(connection, Limit.READ)
            raise forbidden(f"{spec.name} needs the permission {spec.permission}")
        self._count(connection, spec.limit)
        message = codec.decode_call(spec, call.data)
        request = None
        if self.database is not None:  # without one nothing is kept, so nothing is done twice
            request = self._requests.of(connection.identity.id, spec, message)
        if request is None:
            with self._deadlines:
                return await self._decide(connection, message, None, later)
        return await self._once(connection, message, request, later)

    async def _once(
        self,
        connection: Connection,
        message: msgspec.Struct,
        request: Request,
        later: list[Callable[[], None]],
    ) -> bytes:
        """Carry out a request that may be a retry: of one under way, or of one long done."""
        key = (request.who, request.request_id)
        if (first := self._requests.under_way.get(key)) is not None:
            if first.digest != request.digest:
                raise reused()
            return await asyncio.shield(first.answer)
        if (kept := self._requests.recent(request)) is not None:
            return codec.reply_data(kept)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._requests.under_way[key] = UnderWay(request.digest, answer)
        try:
            with self._deadlines:
                reply = await self._decide(connection, message, request, later)
        except BaseException as e:
            answer.set_exception(e)
            answer.exception()  # it is given to whoever waits, and nobody may
            raise
        else:
            answer.set_result(reply)
            return reply
        finally:
            del self._requests.under_way[key]

    async def _decide(
        self,
        connection: Connection,
        message: msgspec.Struct,
        request: Request | None,
        later: list[Callable[[], None]],
    ) -> bytes:
        """Run the handler, again while what it decided on has changed. Raises Failure `busy`."""
        handler = _handlers[type(message)]
        for _ in range(MAX_DECISIONS):
            ctx = Context(connection, self._parts, self.database, self._clock.now_ms(), request)
            try:
                reply = await handler(ctx, message)
                if request is not None and ctx.kept is None:
                    # Nothing needed to change. The reply is a promise all the same.
                    await ctx.commit(ctx.work(), reply)
            except (Stale, Failure) as e:
                # What is stale or refused now may be because it was done before.
                if request and (kept := await self._requests.find(ctx.database, request)):
                    return codec.reply_data(kept)
                if isinstance(e, Failure):
                    raise
                continue
            later.extend(ctx.after_reply)
            if ctx.kept is None or ctx.kept[0] is not reply:
                return codec.reply_ok(reply)
            if request is not None:
                self._requests.remember(request, ctx.kept[1])
            return codec.reply_data(ctx.kept[1])
        raise busy("too many want the same thing at once")
