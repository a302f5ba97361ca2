"""What the names of messages lead to: all that is asked for each message, looked up once."""

from collections.abc import Callable
from typing import Any

import msgspec

from protocol import codec
from protocol.message import Kind, Limit, Registry, Spec
from protocol.permissions import Permission
from server.gateway.connection import Data
from server.gateway.handling import Direct, direct_handler_of
from server.runtime.gauges import Gauges


class Route:
    """A command or query: how it is read, who may send it, how often, and what it is counted in."""

    __slots__ = ("_decode", "direct", "guarded", "is_command", "limit", "name", "ok", "overseen",
                 "permission", "spec", "timed")  # fmt: skip

    def __init__(self, spec: Spec, gauges: Gauges) -> None:
        assert spec.permission is not None
        assert spec.limit is not None
        self.spec = spec
        self.name = spec.name
        self.permission: Permission = spec.permission
        self.limit: Limit = spec.limit
        self.is_command = spec.kind is Kind.COMMAND
        self.guarded = spec.guarded
        self.overseen = spec.guarded or spec.audit is not None
        self.direct: Direct | None = direct_handler_of(spec.type)
        """Its handler, if that seldom waits."""
        self._decode: Callable[[Any], msgspec.Struct] = codec.decoder(spec.type).decode
        self.ok = gauges.replies.of(spec.name, "ok")
        self.timed = gauges.reply_seconds.of(spec.name)

    def read(self, data: Data) -> msgspec.Struct:
        """The message. Raises Failure `invalid`."""
        try:
            return self._decode(data)
        except codec.UNREADABLE as e:
            raise codec.unreadable(e) from None


class Routes(dict[str, Route | None]):
    """All routes of a registry, by name: None for what is no name of a command or query."""

    def __init__(self, registry: Registry, gauges: Gauges) -> None:
        super().__init__()
        self._registry = registry
        self._gauges = gauges

    def __missing__(self, name: str) -> Route | None:
        # What is none is not kept: there is no end of names that a client may make up.
        spec = self._registry.find(name)
        if spec is None or spec.kind is Kind.EVENT:
            return None
        route = self[name] = Route(spec, self._gauges)
        return route
