"""Connections: who is at the other end of each, and how it is doing."""

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

connections_room: Final = rooms.single("connections", Permission.READ, "How many are connected.")

DisconnectReason = Annotated[str, shown_line(200, "Why a connection is closed")]


class Transport(StrEnum):
    """How a connection is carried: Socket.IO over a WebSocket or by polling, which may become one,
    or the plain WebSocket."""

    WEBSOCKET = "websocket"
    POLLING = "polling"
    PLAIN = "plain"


class ConnectionView(msgspec.Struct, frozen=True):
    """One open connection.

    `role` is null for a service. `rooms` are the first 50 of `room_count`, by name. `queued`
    messages of `queued_bytes` wait for it; `sent` and `received` count those since it opened.
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
    """Open connections of this server, of one person or service or of all, newest first."""

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
    """Close a connection. Whoever is there gets `server.evicted` with `reason`, and may come back.

    One's own is closed after the answer.
    """

    connection_id: Id
    reason: DisconnectReason


@snapshot_of("connections")
@event("connections.counted", delivery=LATEST)
class ConnectionsCounted(Event, frozen=True, kw_only=True):
    """How many people and services are here, over so many connections; at most once a second.

    Snapshot of the room `connections`.
    """

    people: int
    services: int
    connections: int

    def room(self) -> Room:
        """One for all."""
        return connections_room()
