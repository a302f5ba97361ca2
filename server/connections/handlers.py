"""What whoever administers asks and does about connections."""

from heapq import nsmallest
from typing import Final

from protocol.connections import (
    ConnectionView,
    Disconnect,
    ListConnections,
)
from protocol.errors import not_found
from protocol.message import Done
from protocol.pages import Page
from protocol.times import rfc3339
from server.database import Cursors, SortKey
from server.gateway import CommitHandle, Connection, Context, Gateway, handles

ROOMS_SHOWN: Final = 50
_CURSORS: Final = Cursors("connections.list", SortKey.BIGINT, untagged=True)


@handles(ListConnections)
def list_connections(ctx: Context, query: ListConnections) -> Page[ConnectionView]:
    """Open connections, newest first: one more than asked for says whether there are others."""
    gateway = ctx.service(Gateway)
    place = _CURSORS.place(query.cursor, user_id=query.user_id)
    before = None if place is None else int(place[0])
    if query.user_id is None:
        found = gateway.connections.newest(query.limit + 1, before)
    else:
        own = gateway.presence.connections(query.user_id)
        found = sorted(
            (c for c in own if before is None or c.number < before),
            key=lambda c: c.number,
            reverse=True,
        )
    shown, further = _CURSORS.cut(found, query.limit, lambda c: (c.number,), user_id=query.user_id)
    return Page(tuple(_view(gateway, c) for c in shown if not c.closed), further)


@handles(Disconnect)
def disconnect(ctx: Context, cmd: Disconnect) -> CommitHandle[Done]:
    """Close a connection; one's own once the answer is in its queue."""
    gateway = ctx.service(Gateway)
    connection = gateway.connections.find(cmd.connection_id)
    if connection is None:
        raise not_found("connection")
    work = ctx.work()
    if connection is ctx.connection:
        ctx.after_reply(lambda: gateway.disconnect(connection, cmd.reason))
    else:
        # With the commit, whether anybody waits for that any more or not: a retry is told `ok`.
        work.on_commit(lambda: gateway.disconnect(connection, cmd.reason))
    return ctx.commit(work, Done())


def _view(gateway: Gateway, connection: Connection) -> ConnectionView:
    identity, traffic = connection.identity, connection.traffic
    joined = gateway.rooms.joined(connection)
    return ConnectionView(
        connection_id=connection.id,
        user_id=identity.id,
        name=identity.name,
        role=identity.role,
        transport=connection.transport,
        address=connection.address,
        since_at=rfc3339(connection.since_ms),
        rooms=tuple(nsmallest(ROOMS_SHOWN, joined)),
        room_count=len(joined),
        queued=traffic.queued,
        queued_bytes=traffic.queued_bytes,
        sent=traffic.sent,
        received=connection.received,
    )
