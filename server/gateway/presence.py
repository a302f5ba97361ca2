"""Who is here: a person is here while at least one of their connections is open."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from protocol.permissions import Permission
from server.database import Unavailable
from server.gateway.connection import Connection
from server.gateway.identity import Identity
from server.runtime.log import logger

log = logger("gateway")

Hook = Callable[[str], Awaitable[None]]
"""Called with a person's id."""


class _Watch(NamedTuple):
    here: Hook
    gone: Hook
    permission: Permission


class Presence:
    """All connections of this process, by person."""

    def __init__(self) -> None:
        self._by_person: dict[str, set[Connection]] = {}
        self._watches: list[_Watch] = []

    def on_change(
        self, here: Hook, gone: Hook, permission: Permission = Permission.CONNECT
    ) -> None:
        """Ask to be told when a person's first connection opens and the last one closes.

        Only connections that have the permission count: a service's plays no game.
        """
        self._watches.append(_Watch(here, gone, permission))

    def may(self, person: str, permission: Permission) -> bool:
        """Whether a person is here with a connection that has the permission."""
        return any(c.identity.may(permission) for c in self._by_person.get(person, ()))

    def __contains__(self, person: str) -> bool:
        return person in self._by_person

    def __len__(self) -> int:
        return sum(len(connections) for connections in self._by_person.values())

    def connections(self, person: str | None = None) -> list[Connection]:
        """The open connections, of one person or of all."""
        if person is not None:
            return list(self._by_person.get(person, ()))
        return [c for connections in self._by_person.values() for c in connections]

    def people(self) -> list[str]:
        """The ids of who is here."""
        return list(self._by_person)

    async def opened(self, connection: Connection) -> None:
        """A connection is open."""
        identity = connection.identity
        first = [
            watch.here
            for watch in self._watches
            if identity.may(watch.permission) and not self.may(identity.id, watch.permission)
        ]
        self._by_person.setdefault(identity.id, set()).add(connection)
        await self._run_hooks(first, identity.id)

    async def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        identity = connection.identity
        connections = self._by_person.get(identity.id, set())
        if connection not in connections:
            return
        connections.remove(connection)
        if not connections:
            del self._by_person[identity.id]
        last = [
            watch.gone
            for watch in self._watches
            if identity.may(watch.permission) and not self.may(identity.id, watch.permission)
        ]
        await self._run_hooks(last, identity.id)

    @staticmethod
    async def _run_hooks(hooks: list[Hook], person: str) -> None:
        for hook in hooks:
            try:
                await hook(person)
            except Unavailable as e:
                # Expected where the database is away: the domain puts it right later.
                log.warning("presence_hook_failed", person=person, error=f"{type(e).__name__}: {e}")
            except Exception:
                # One domain's fault keeps neither the others nor the connection from going on.
                log.exception("presence_hook_failed", person=person)


class Present(NamedTuple):
    """How many people and services are here, over how many connections."""

    people: int
    services: int
    connections: int


def _number(connection: Connection) -> int:
    return connection.number


class ConnectionRegistry:
    """All open connections."""

    def __init__(self) -> None:
        self.changes = 0  # how many have opened and gone
        self._next = 1
        self._in_order: list[Connection] = []
        self._by_id: dict[str, Connection] = {}
        self._people: Counter[str] = Counter()
        self._services: Counter[str] = Counter()

    def add(self, connection: Connection) -> None:
        """A connection has opened: it is the newest."""
        connection.number = self._next
        self._next += 1
        self._in_order.append(connection)
        self._by_id[connection.id] = connection
        self._kind(connection.identity)[connection.identity.id] += 1
        self.changes += 1

    def remove(self, connection: Connection) -> None:
        """A connection is gone."""
        if self._by_id.pop(connection.id, None) is None:
            return
        self.changes += 1
        del self._in_order[bisect_left(self._in_order, connection.number, key=_number)]
        kind, who = self._kind(connection.identity), connection.identity.id
        kind[who] -= 1
        if not kind[who]:
            del kind[who]

    def _kind(self, identity: Identity) -> Counter[str]:
        return self._services if identity.role is None else self._people

    def open_of(self, identity: Identity) -> int:
        """How many connections somebody has."""
        return self._kind(identity)[identity.id]

    def find(self, ident: str) -> Connection | None:
        """The connection with this id, None where it is closed or was never open."""
        connection = self._by_id.get(ident)
        return None if connection is None or connection.closed else connection

    def newest(self, most: int, before: int | None = None) -> list[Connection]:
        """So many connections, newest first, of those that came before a number."""
        end = len(self._in_order)
        if before is not None:
            end = bisect_left(self._in_order, before, key=_number)
        return self._in_order[max(0, end - most) : end][::-1]

    @property
    def present(self) -> Present:
        """Who is here, in figures."""
        return Present(len(self._people), len(self._services), len(self._in_order))
