"""Who is here: a person is here while at least one of their connections is open."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from protocol.permissions import Permission
from server.database import Stale, Unavailable
from server.gateway.connection import Connection
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
        await self._tell(first, identity.id)

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
        await self._tell(last, identity.id)

    @staticmethod
    async def _tell(hooks: list[Hook], person: str) -> None:
        for hook in hooks:
            try:
                await hook(person)
            except (Unavailable, Stale) as e:
                # Expected where the database is away: the domain puts it right later.
                log.warning("presence_hook_failed", person=person, error=f"{type(e).__name__}: {e}")
            except Exception:
                # One domain's fault keeps neither the others nor the connection from going on.
                log.exception("presence_hook_failed", person=person)
