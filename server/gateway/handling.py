"""Which function handles which message."""

from collections.abc import Awaitable, Callable, Coroutine
from inspect import iscoroutinefunction
from types import CoroutineType
from typing import Any, TypeVar, cast

import msgspec

from protocol.message import REGISTRY, Kind, Registry, spec_of
from server.gateway.context import Context, Pending

Decided = msgspec.Struct | Pending[Any]
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


def at_once(direct: Direct, ctx: Context, message: msgspec.Struct) -> Decided | None:
    """Let a handler decide that seldom waits. None where it has to."""
    decided = direct(ctx, message)
    if type(decided) is CoroutineType:  # asked for each message: the abstract class takes longer
        decided.close()
        return None
    return cast(Decided, decided)


def direct_handler_of(message: type[msgspec.Struct]) -> Direct | None:
    """The handler of a type of message, if it is one that seldom waits."""
    return _direct.get(message)


def unhandled(registry: Registry = REGISTRY) -> list[str]:
    """Names of a registry's commands and queries that nobody handles."""
    calls = registry.specs(Kind.COMMAND, Kind.QUERY)
    return [spec.name for spec in calls if spec.type not in _waiting | _direct]
