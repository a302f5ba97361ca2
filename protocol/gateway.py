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
Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE)]


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
    AHEAD = "ahead"  # events that never were, or of a room that was let go whole
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


class RoomReason(StrEnum):
    """Reasons for `refused` here."""

    TOO_MANY_ROOMS = "too_many_rooms"


@query("rooms.join", permission=Permission.CONNECT, limit=Limit.ROOM)
class JoinRoom(Query[Joined], frozen=True):
    """Subscribe to a room: a snapshot, then its events. With `since`, only what was missed.

    A connection is in at most 1,000 rooms at once. Refused: too_many_rooms.
    """

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


class ExpiryReason(StrEnum):
    """Why a connection's rights have ended."""

    EXPIRED = "expired"  # the token came to its end
    LOGGED_OUT = "logged_out"  # its log-in was ended
    DISABLED = "disabled"  # the person may not come in any more
    DELETED = "deleted"  # the person is no more
    RIGHTS_CHANGED = "rights_changed"  # the person has another role
    REVOKED = "revoked"  # the service key was


@event("auth.expired", delivery=LATEST)
class Expired(Event, frozen=True, kw_only=True):
    """What this connection was opened with is not good any more; it is closed after this.

    `expired`, `rights_changed`: refresh and reconnect. Else: log in again.
    """

    reason: ExpiryReason

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


class EvictionReason(StrEnum):
    """Why a connection was let go."""

    TOO_MANY_BYTES = "too_many_bytes"  # too much waited for it
    NO_PROGRESS = "no_progress"  # it took nothing of what waited
    FLOODING = "flooding"  # it went on sending after `rate_limited`
    DISCONNECTED = "disconnected"  # somebody who administers closed it; `message` says why


@event("server.evicted", delivery=LATEST)
class Evicted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """This connection is let go: it costs others too much, or was closed by hand.

    Nothing comes after this. Reconnect and resume.
    """

    reason: EvictionReason
    message: str | None = None

    def room(self) -> Room:
        """Told to one connection, not in a room."""
        return Room("")
