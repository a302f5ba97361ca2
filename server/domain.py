"""What a domain plugs in: all that the rest of the server has to know of it is one value.

`domains.py` lists the domains, `app.py` builds them in that order. A domain imports others only
through their doors (`server/<domain>/__init__.py`); those come earlier in the list.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import Table
from starlette.routing import BaseRoute

from server.database import Database, Invariant, Pruning
from server.gateway import Gateway, RoomProvider, Services
from server.runtime.background import BackgroundTask
from server.runtime.clock import Clock
from server.runtime.metrics import Metrics

if TYPE_CHECKING:
    from server.config import ServerSettings

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Core:
    """What every domain is built with, and the services of the domains before it."""

    settings: "ServerSettings"
    database: Database
    gateway: Gateway
    clock: Clock
    metrics: Metrics
    pruning: Pruning
    services: Services

    def service(self, kind: type[P]) -> P:
        """A service of a domain that was built before. Raises KeyError where there is none."""
        service: P = self.services[kind]
        return service


Step = Callable[[], Awaitable[None]]
Prune = Callable[[int], Awaitable[None]]
"""Called with the time, in milliseconds since 1970 UTC."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """What a domain brings to one server.

    `services` are what handlers and later domains find by their types; `rooms` the kinds of rooms,
    by their words; `background` the tasks that run beside the gateway; `routes` are REST's. `start`
    takes up what is open from the time before, before anybody can connect; `prune` deletes what has
    aged, once a minute. At the end, `drain` is called first, so that nothing new begins, and
    `close` last.
    """

    services: Sequence[object] = ()
    rooms: Mapping[str, RoomProvider] = field(default_factory=dict)
    background: Mapping[str, BackgroundTask] = field(default_factory=dict)
    routes: Sequence[BaseRoute] = ()
    start: Step | None = None
    prune: Prune | None = None
    drain: Callable[[], None] | None = None
    close: Callable[[], None] | None = None


@dataclass(frozen=True, kw_only=True)
class Domain:
    """A domain.

    `uses` names the domains that it imports, each by its door: tests/architecture holds it to that.
    `handlers` are imported, which registers them. `settings` is a frozen class of fields made by
    `server.runtime.settings`.
    """

    name: str
    build: Callable[[Core], Awaitable[Built]]
    uses: tuple[str, ...] = ()
    tables: Sequence[Table] = ()
    settings: type | None = None
    handlers: Sequence[ModuleType] = ()
    invariants: Sequence[Invariant] = ()
