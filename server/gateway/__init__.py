"""The gateway: connections, the path of every message, rooms. It knows no domain."""

from server.gateway.address import network
from server.gateway.connection import Connection
from server.gateway.context import Context, Parts, Pending
from server.gateway.gateway import Gateway
from server.gateway.handling import Later, handles, unhandled
from server.gateway.identity import Identity
from server.gateway.limits import Limits
from server.gateway.oversight import Act, Oversight
from server.gateway.rights import RightsChange
from server.gateway.rooms import Door, Snapshot

__all__ = [
    "Act",
    "Connection",
    "Context",
    "Door",
    "Gateway",
    "Identity",
    "Later",
    "Limits",
    "Oversight",
    "Parts",
    "Pending",
    "RightsChange",
    "Snapshot",
    "handles",
    "network",
    "unhandled",
]
