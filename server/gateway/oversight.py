"""What a command that acts on others carries in its unit: its caller as a condition, an audit row.

The registry says which commands these are. A handler has no part in it, so none can forget it.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from protocol.message import Spec
from server.database import Work
from server.gateway.connection import Connection
from server.gateway.identity import Identity


class Act(NamedTuple):
    """A line of the audit log: who did what to what, from where, and when (ms since 1970 UTC).

    `actor` is the id of a user or a service, None for the command line.
    """

    action: str
    target: str
    actor: str | None
    actor_name: str
    address: str
    at: int


class Oversight(NamedTuple):
    """What the composition root gives the gateway, which knows neither users nor an audit log.

    `guard` puts into a unit that its caller still has the rights that the connection was admitted
    with: the unit is Stale where that is not so, and holds it off until it is committed. `check`
    raises Failure `unauthenticated` or `forbidden` where the caller has lost them. `record` puts an
    act into the unit that commits it.
    """

    guard: Callable[[Work, Identity], None]
    check: Callable[[Identity], Awaitable[None]]
    record: Callable[[Work, Act], None]


class Overseen(NamedTuple):
    """One command that acts on others or is audited, on its way."""

    oversight: Oversight
    spec: Spec
    message: msgspec.Struct

    def guard(self, work: Work, caller: Identity) -> None:
        """Put the caller into a unit, once, where the command acts on others."""
        if self.spec.guarded and not work.guards:
            work.on_others = True
            self.oversight.guard(work, caller)

    def record(self, work: Work, reply: msgspec.Struct, connection: Connection, now: int) -> None:
        """Put the act into a unit, where the command is audited."""
        field, caller = self.spec.audit, connection.identity
        if field is not None:
            named = self.message if hasattr(self.message, field) else reply
            target = str(getattr(named, field))
            act = Act(self.spec.name, target, caller.id, caller.name, connection.address, now)
            self.oversight.record(work, act)
