"""The gateway's own words: rooms, renewal, the server's announcements."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from protocol.ids import Count
from protocol.message import LATEST, Done, Event, Limit, Query, event, query
from protocol.permissions import Permission
from protocol.rooms import Room
from protocol.secret import Secret
from protocol.text import LINE

RoomName = Annotated[
    str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE, description="A room's name.")
]
Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last numbered event that a client has seen of a room."""

    epoch: Epoch
    seq: Count


class Verdict(StrEnum):
    """What a join found."""

    JOINED = "joined"  # the first time: a snapshot
    RESUMED = "resumed"  # nothing was missed: no snapshot
    GAP_FILLED = "gap_filled"  # no snapshot; what was missed follows as ordinary events
    RESET = "reset"  # what was missed is not there any more: a snapshot, with the reason


class ResetReason(StrEnum):
    """Why missed events could not be told."""

    EPOCH_CHANGED = "epoch_changed"
    HISTORY_PRUNED = "history_pruned"
    AHEAD = "ahead"  # the client claims events that never were
    GAP_TOO_LARGE = "gap_too_large"  # a snapshot is less than what was missed


class Joined(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict of a join. Live events with a `seq` above this one follow.

    `snapshot` is of the type that the kind of room has.
    """

    room: str
    verdict: Verdict
    epoch: str
    seq: int
    snapshot: Any = None
    reason: ResetReason | None = None
    missed: int = 0


@query("rooms.join", permission=Permission.CONNECT, limit=Limit.ROOM)
class JoinRoom(Query[Joined], frozen=True):
    """Subscribe to a room: a snapshot, then its events. With `since`, only what was missed."""

    room: RoomName
    since: Since | None = None


@query("rooms.leave", permission=Permission.CONNECT, limit=Limit.ROOM)
class LeaveRoom(Query[Done], frozen=True):
    """Unsubscribe from a room. Leaving a room that was not joined is fine."""

    room: RoomName


class Renewed(msgspec.Struct, frozen=True):
    """How long the connection is good for now."""

    expires_in_s: int


@query("auth.renew", permission=Permission.CONNECT, limit=Limit.RARE)
class Renew(Query[Renewed], frozen=True):
    """Put a fresh access token of the same person under this open connection."""

    token: Secret


@event("auth.expired", delivery=LATEST)
class Expired(Event, frozen=True, kw_only=True):
    """The connection's token has expired; it is closed after this. Log in or refresh, reconnect."""

    def room(self) -> Room:
        """Told to one connection, not in a room."""
        return Room("")


@event("server.closing", delivery=LATEST)
class Closing(Event, frozen=True, kw_only=True):
    """The server is going away. Reconnect, not before `retry_after_ms`."""

    retry_after_ms: int

    def room(self) -> Room:
        """Told to every connection, not in a room."""
        return Room("")


@event("server.evicted", delivery=LATEST)
class Evicted(Event, frozen=True, kw_only=True):
    """This connection did not read fast enough and is let go. Reconnect and resume."""

    reason: str

    def room(self) -> Room:
        """Told to one connection, not in a room."""
        return Room("")
