"""Connections: who is at the other end of each, as operators see them."""

from functools import partial

from server.connections import handlers
from server.connections.rooms import counter, keep_counter
from server.domain import Built, Core, Domain

__all__ = ["DOMAIN", "counter", "keep_counter"]


async def _build(core: Core) -> Built:
    room = counter(core.gateway, core.clock)
    return Built(
        rooms={"connections": room},
        background={"connections": partial(keep_counter, room, core.gateway)},
    )


DOMAIN = Domain(name="connections", build=_build, handlers=(handlers,))
