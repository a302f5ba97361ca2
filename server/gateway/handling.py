"""Which function handles which message."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from protocol.message import REGISTRY, Kind, Registry, spec_of
from server.gateway.context import Context, Pending

Handler = Callable[[Context, Any], Awaitable[msgspec.Struct | Pending[Any]]]
"""Gives the reply, or the commit with which it is given."""

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


def handler_of(message: type[msgspec.Struct]) -> Handler:
    """The handler of a type of message. Raises KeyError where it has none."""
    return _handlers[message]


def unhandled(registry: Registry = REGISTRY) -> list[str]:
    """Names of a registry's commands and queries that nobody handles."""
    calls = registry.specs(Kind.COMMAND, Kind.QUERY)
    return [spec.name for spec in calls if spec.type not in _handlers]
