"""Who is here: a person is here while at least one of their connections is open."""

from collections.abc import Awaitable, Callable

from server.gateway.connection import Connection
from server.runtime.log import logger

log = logger("gateway")

Hook = Callable[[str], Awaitable[None]]
"""Called with a person's id."""


class Presence:
    """All connections of this process, by person."""

    def __init__(self) -> None:
        self._by_person: dict[str, set[Connection]] = {}
        self._here: list[Hook] = []
        self._gone: list[Hook] = []

    def on_change(self, here: Hook, gone: Hook) -> None:
        """Ask to be told when a person's first connection opens and the last one closes."""
        self._here.append(here)
        self._gone.append(gone)

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
        connections = self._by_person.setdefault(connection.identity.id, set())
        connections.add(connection)
        if len(connections) == 1:
            await self._tell(self._here, connection.identity.id)

    async def closed(self, connection: Connection) -> None:
        """A connection is gone."""
        person = connection.identity.id
        connections = self._by_person.get(person, set())
        connections.discard(connection)
        if not connections and self._by_person.pop(person, None) is not None:
            await self._tell(self._gone, person)

    @staticmethod
    async def _tell(hooks: list[Hook], person: str) -> None:
        for hook in hooks:
            try:
                await hook(person)
            except Exception:
                # One domain's fault keeps neither the others nor the connection from going on.
                log.exception("presence_hook_failed", person=person)
