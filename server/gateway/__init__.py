"""The gateway: connections, the path of every message, rooms. It knows no domain."""

from server.gateway.connection import Connection
from server.gateway.context import CommitHandle, Context, Services
from server.gateway.gateway import Gateway
from server.gateway.handler_registry import Decided, Later, handle, handles, unhandled
from server.gateway.identity import Identity
from server.gateway.oversight import Act, Oversight
from server.gateway.providers import CounterRoom, LogRoom, RowRoom, StateRoom, own
from server.gateway.rate_limits import Limits
from server.gateway.rights import RightsChange
from server.gateway.rooms import RoomProvider, Rooms, Snapshot
from server.gateway.settings import GatewaySettings
from server.transport.limits import network

__all__ = [
    "Act",
    "CommitHandle",
    "Connection",
    "Context",
    "CounterRoom",
    "Decided",
    "Gateway",
    "GatewaySettings",
    "Identity",
    "Later",
    "Limits",
    "LogRoom",
    "Oversight",
    "RightsChange",
    "RoomProvider",
    "Rooms",
    "RowRoom",
    "Services",
    "Snapshot",
    "StateRoom",
    "handle",
    "handles",
    "network",
    "own",
    "unhandled",
]
