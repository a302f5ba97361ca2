"""The handler of each message, and all else that a message of its name needs, looked up once."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from typing import Any, TypeVar, cast

import msgspec

from protocol import codec
from protocol.message import REGISTRY, Kind, Limit, Registry, Spec, spec_of
from protocol.permissions import Permission
from server.gateway.context import CommitHandle, Context
from server.runtime.metrics import Metrics


class HandlerEntry:
    """A command or query: how it is decoded, who may send it, how often, and its metrics."""

    __slots__ = ("decode", "direct", "guarded", "is_command", "limit", "name", "ok", "overseen",
                 "permission", "spec", "timed")  # fmt: skip

    def __init__(self, spec: Spec, metrics: Metrics) -> None:
        assert spec.permission is not None
        assert spec.limit is not None
        self.spec = spec
        self.name = spec.name
        self.permission: Permission = spec.permission
        self.limit: Limit = spec.limit
        self.is_command = spec.kind is Kind.COMMAND
        self.guarded = spec.guarded
        self.overseen = spec.guarded or spec.audit is not None
        self.direct: Direct | None = _direct.get(spec.type)
        """Its handler, if that seldom waits."""
        self.decode: Callable[[Any], msgspec.Struct] = codec.decoder(spec.type).decode
        """Decodes its data. Raises one of `codec.UNREADABLE`."""
        self.ok = metrics.replies.of(spec.name, "ok")
        self.timed = metrics.reply_seconds.of(spec.name)


class HandlerRegistry(dict[str, HandlerEntry | None]):
    """The entries of a registry's commands and queries, by name; None for any other name."""

    def __init__(self, registry: Registry, metrics: Metrics) -> None:
        super().__init__()
        self._registry = registry
        self._metrics = metrics

    def __missing__(self, name: str) -> HandlerEntry | None:
        # An unknown name is not kept: a client may make up any number of them.
        spec = self._registry.find(name)
        if spec is None or spec.kind is Kind.EVENT:
            return None
        entry = self[name] = HandlerEntry(spec, self._metrics)
        return entry


Decided = msgspec.Struct | CommitHandle[Any]
"""The reply, or the commit with which it is given."""
Waiting = Callable[[Context, Any], Awaitable[Decided]]
Later = Coroutine[Any, Any, Decided]
Direct = Callable[[Context, Any], Decided | Later]
"""A handler that seldom waits, or never."""
Handler = Waiting | Direct
H = TypeVar("H", bound=Handler)

_waiting: dict[type, Waiting] = {}
_direct: dict[type, Direct] = {}


def handles(message: type[msgspec.Struct]) -> Callable[[H], H]:
    """Make a function the handler of a command or query.

    It may run again when what it decided on has changed, so it changes nothing but by
    `ctx.commit`. It raises Failure to refuse. One that is no coroutine function is called the
    moment a message comes, where nothing before it waits. If it has to wait after all, it returns
    a coroutine that decides in its place, and has done nothing so far: it may be asked again.
    """

    def register(handler: H) -> H:
        spec_of(message)
        if message in _waiting or message in _direct:
            raise ValueError(f"{message.__name__} has a handler already")
        if iscoroutinefunction(handler):
            _waiting[message] = handler
        else:
            _direct[message] = cast(Direct, handler)
        return handler

    return register


async def handle(ctx: Context, message: msgspec.Struct) -> Decided:
    """Let the handler of a message decide. Raises KeyError where it has none."""
    direct = _direct.get(type(message))
    if direct is None:
        return await _waiting[type(message)](ctx, message)
    decided = direct(ctx, message)
    return await decided if isinstance(decided, Coroutine) else decided


def unhandled(registry: Registry = REGISTRY) -> list[str]:
    """Names of a registry's commands and queries that nobody handles."""
    calls = registry.specs(Kind.COMMAND, Kind.QUERY)
    return [spec.name for spec in calls if spec.type not in _waiting | _direct]
