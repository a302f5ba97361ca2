"""The gateway: connections, the path of every message, rooms. It knows no domain."""

from server.gateway.connection import Connection
from server.gateway.context import Context, Parts, Pending
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.gateway.oversight import Act, Oversight
from server.gateway.rights import RightsChange
from server.gateway.rooms import Door, Snapshot
from server.gateway.routes import Later, handles, unhandled
from server.gateway.settings import GatewaySettings
from server.transport.address import network
from server.transport.limits import Limits

__all__ = [
    "Act",
    "Connection",
    "Context",
    "Door",
    "Gateway",
    "GatewaySettings",
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
