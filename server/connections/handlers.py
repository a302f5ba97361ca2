"""What whoever administers asks and does about connections."""

from heapq import nsmallest
from typing import Final

from protocol.connections import (
    ConnectionView,
    Disconnect,
    ListConnections,
)
from protocol.errors import invalid, not_found
from protocol.message import Done
from protocol.pages import Page
from protocol.times import rfc3339
from server.gateway import Connection, Context, Gateway, Pending, handles

ROOMS_SHOWN: Final = 50
MAX_DIGITS: Final = 15


@handles(ListConnections)
def list_connections(ctx: Context, query: ListConnections) -> Page[ConnectionView]:
    """Open connections, newest first: one more than asked for says whether there are others."""
    gateway = ctx.part(Gateway)
    before = None if query.cursor is None else _number(query.cursor)
    if query.user_id is None:
        found = gateway.roll.newest(query.limit + 1, before)
    else:
        own = gateway.presence.connections(query.user_id)
        found = sorted(
            (c for c in own if before is None or c.number < before),
            key=lambda c: c.number,
            reverse=True,
        )
    shown = found[: query.limit]
    further = str(shown[-1].number) if len(found) > len(shown) else None
    return Page(tuple(_view(gateway, c) for c in shown if not c.closed), further)


@handles(Disconnect)
def disconnect(ctx: Context, cmd: Disconnect) -> Pending[Done]:
    """Close a connection; one's own once the answer is in its queue."""
    gateway = ctx.part(Gateway)
    connection = gateway.roll.find(cmd.connection_id)
    if connection is None:
        raise not_found("connection")
    work = ctx.work()
    if connection is ctx.connection:
        ctx.later(lambda: gateway.disconnect(connection, cmd.reason))
    else:
        # With the commit, whether anybody waits for that any more or not: a retry is told `ok`.
        work.then(lambda: gateway.disconnect(connection, cmd.reason))
    return ctx.commit(work, Done())


def _number(cursor: str) -> int:
    """The number that a cursor names. Raises Failure `invalid`."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= MAX_DIGITS):
        raise invalid("cursor", "must be the `next` of a page")
    return int(cursor)


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
