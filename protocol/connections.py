"""Connections: their users, addresses and send buffers, for administrators."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from protocol import rooms
from protocol.ids import Id
from protocol.message import LATEST, Command, Done, Event, Limit, Query, command, event, query
from protocol.pages import Cursor, Page, PageSize
from protocol.permissions import Permission, Role
from protocol.rooms import Room, snapshot_of
from protocol.text import shown_line

connections_room: Final = rooms.single("connections", Permission.READ, "The number of connections.")

DisconnectReason = Annotated[str, shown_line(200, "The reason of a disconnect")]


class Transport(StrEnum):
    """The transport of a connection: Socket.IO over a WebSocket, Socket.IO over polling (until an
    upgrade), or the plain WebSocket."""

    WEBSOCKET = "websocket"
    POLLING = "polling"
    PLAIN = "plain"


class ConnectionView(msgspec.Struct, frozen=True):
    """One open connection.

    `role` is null for a service. `rooms` are the first 50 of `room_count`, by name. `queued` and
    `queued_bytes` measure its send buffer. `sent` and `received` count messages since it opened.
    """

    connection_id: str
    user_id: str
    name: str
    role: Role | None
    transport: Transport
    address: str
    since_at: str
    rooms: tuple[str, ...]
    room_count: int
    queued: int
    queued_bytes: int
    sent: int
    received: int


@query("connections.list", permission=Permission.ADMINISTER)
class ListConnections(Query[Page[ConnectionView]], frozen=True):
    """Open connections of this server, newest first. `user_id` is one user or service."""

    user_id: Id | None = None
    limit: PageSize = 50
    cursor: Cursor | None = None


@command(
    "connections.disconnect",
    permission=Permission.ADMINISTER,
    limit=Limit.ACTION,
    audit="connection_id",
)
class Disconnect(Command[Done], frozen=True):
    """Close a connection. The client receives `server.evicted` with `reason`, and may reconnect.

    The caller's own connection is closed after the reply.
    """

    connection_id: Id
    reason: DisconnectReason


@snapshot_of("connections")
@event("connections.counted", delivery=LATEST)
class ConnectionsCounted(Event, frozen=True, kw_only=True):
    """The numbers of connected users, services and connections, at most once a second.

    Snapshot of the room `connections`.
    """

    people: int
    services: int
    connections: int

    def room(self) -> Room:
        """The room `connections`."""
        return connections_room()
