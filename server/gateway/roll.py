"""The roll: all open connections of this process, in the order in which they came.

What is asked of it costs the same however many there are: it is never sorted, and counts are kept.
"""

from bisect import bisect_left
from collections import Counter
from typing import NamedTuple

from server.gateway.connection import Connection
from server.gateway.identity import Identity


class Present(NamedTuple):
    """How many people and services are here, over how many connections."""

    people: int
    services: int
    connections: int


def _number(connection: Connection) -> int:
    return connection.number


class Roll:
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
