"""The room of connections: how many there are."""

from protocol.connections import ConnectionsCounted, connections_room
from server.gateway import CounterRoom, Gateway
from server.runtime.clock import Clock


def counter(gateway: Gateway, clock: Clock) -> CounterRoom:
    """The room `connections`."""
    return CounterRoom(gateway.rooms, clock, connections_room(), lambda: _counted(gateway))


async def keep_counter(room: CounterRoom, gateway: Gateway) -> None:
    """Publish how many there are, if a connection was opened or closed since. A background task.

    The number of changes is compared, not the count: a client may have joined in between.
    """
    await room.publish_polled(lambda: gateway.connections.changes)


def _counted(gateway: Gateway) -> ConnectionsCounted:
    people, services, connections = gateway.connections.present
    return ConnectionsCounted(people=people, services=services, connections=connections)
