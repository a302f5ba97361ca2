"""The room of connections: how many there are."""

from protocol.connections import Counted, Counts
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
        return Snapshot(0, Counts(*self._gateway.roll.present))

    async def latest(self, ident: str) -> list[Event]:
        """How many are connected."""
        return [counted(self._gateway)]


def counted(gateway: Gateway) -> Counted:
    """How many are connected now, as it is told."""
    people, services, connections = gateway.roll.present
    return Counted(people=people, services=services, connections=connections)
