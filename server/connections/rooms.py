"""The room of connections: how many there are."""

from protocol.connections import ConnectionsCounted
from protocol.message import Event
from server.gateway import Gateway, Identity, Snapshot


class ConnectionsRoom:
    """The room `connections`. Nothing in it is kept, so its number is always 0."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Open to whoever has the room's permission."""

    async def snapshot(self, ident: str) -> Snapshot:
        """How many are connected."""
        return Snapshot(0, counted(self._gateway))

    async def latest(self, ident: str) -> list[Event]:
        """How many are connected."""
        return [counted(self._gateway)]


def counted(gateway: Gateway) -> ConnectionsCounted:
    """How many are connected now, as it is told."""
    people, services, connections = gateway.roll.present
    return ConnectionsCounted(people=people, services=services, connections=connections)
