"""Connections: who is at the other end of each, as operators see them."""

from server.connections import handlers
from server.connections.rooms import ConnectionsRoom
from server.connections.service import Counting
from server.domain import Built, Core, Domain

__all__ = ["DOMAIN"]


async def _build(core: Core) -> Built:
    return Built(
        rooms={"connections": ConnectionsRoom(core.gateway)},
        services={"connections": Counting(core.gateway, core.clock).run},
    )


DOMAIN = Domain(name="connections", build=_build, handlers=(handlers,))
