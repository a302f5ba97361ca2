"""The gateway's own words: rooms, renewal, the server's announcements."""

from enum import StrEnum
from typing import Annotated, Any

import msgspec

from protocol.endings import NO_RETRY, RETRY, Ending
from protocol.errors import Code, ErrorReason
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


class ResetReason(Ending):
    """Why missed events could not be told. The join has succeeded: there is nothing to retry."""

    EPOCH_CHANGED = (
        "epoch_changed",
        NO_RETRY,
        "the numbering is another one: the database was restored, or lost commits in a fail-over",
    )
    HISTORY_PRUNED = "history_pruned", NO_RETRY, "what was missed is not there any more"
    AHEAD = (
        "ahead",
        NO_RETRY,
        "the `seq` given is higher than any there is: it never was, or all of the room's history"
        " was pruned",
    )
    GAP_TOO_LARGE = (
        "gap_too_large",
        NO_RETRY,
        "what was missed is more than 2,000 events, more than 512 KiB, or more than may wait for"
        " you just now",
    )


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


class RoomReason(ErrorReason):
    """Joining rooms."""

    TOO_MANY_ROOMS = "too_many_rooms"


@query(
    "rooms.join",
    permission=Permission.CONNECT,
    limit=Limit.ROOM,
    refuses=(RoomReason.TOO_MANY_ROOMS,),
)
class JoinRoom(Query[Joined], frozen=True):
    """Subscribe to a room: a snapshot, then its events. With `since`, only what was missed.

    A connection is in at most 1,000 rooms at once.
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


class ExpiryReason(Ending):
    """Why a connection's rights have ended."""

    EXPIRED = (
        "expired",
        RETRY,
        "the token came to its end: refresh, connect with the new one. Where `refresh` is"
        " `unauthenticated`, ask the person",
    )
    RIGHTS_CHANGED = (
        "rights_changed",
        RETRY,
        "the person has another role: refresh, connect with the new token, which has the new role",
    )
    LOGGED_OUT = (
        "logged_out",
        NO_RETRY,
        "the log-in was ended, by a log-out, another password, or because a refresh token was used"
        " again after 10 seconds: log in again",
    )
    DISABLED = "disabled", NO_RETRY, "the person may not come in any more: tell the person"
    DELETED = "deleted", NO_RETRY, "the user was deleted: tell the person"
    REVOKED = "revoked", NO_RETRY, "the service key was ended: get another"


@event("auth.expired", delivery=LATEST)
class Expired(Event, frozen=True, kw_only=True):
    """What this connection was opened with is not good any more; it is closed after this."""

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


class EvictionReason(Ending):
    """Why a connection was let go."""

    TOO_MANY_BYTES = (
        "too_many_bytes",
        RETRY,
        "more waited for you than the limit, and was dropped: read faster, or join less; join with"
        " `since`",
    )
    NO_PROGRESS = (
        "no_progress",
        RETRY,
        "you read nothing of what waited, and it was dropped: the same",
    )
    FLOODING = (
        "flooding",
        RETRY,
        "you went on sending after `rate_limited`: send less, and wait as long as you are told",
    )
    DISCONNECTED = (
        "disconnected",
        RETRY,
        "somebody who administers closed this connection: show `message` to the person. It comes"
        " after what waited for you; coming back is allowed",
    )


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


class ConnectError(Ending):
    """The codes that a handshake is refused with. What a client does about them is not what it does
    about those of a reply."""

    UNAUTHENTICATED = (
        Code.UNAUTHENTICATED.value,
        RETRY,
        "the token is not accepted: refresh once, connect with the new token. Where it comes again,"
        " or `refresh` is `unauthenticated`, or for a service key: no",
    )
    UNAVAILABLE = (
        Code.UNAVAILABLE.value,
        RETRY,
        "the server closes, or its database is away. The token is good: connect again a little"
        " later",
    )
    RATE_LIMITED = (
        Code.RATE_LIMITED.value,
        RETRY,
        "this person has as many connections as they may, or opens them too fast: connect again"
        " after `retry_after_ms`",
    )
    INVALID = (
        Code.INVALID.value,
        NO_RETRY,
        "what was sent is no JSON, or this connection has logged in already: a fault of the client",
    )


class Parting(Ending):
    """How a connection ends without a reason of an enum, by what is seen of it."""

    CLOSING = (
        "server.closing",
        RETRY,
        "the server goes away, for a restart or an update. What it had taken in is still answered,"
        " anything later is `unavailable`: connect again, not before `retry_after_ms`",
    )
    NO_WORD = (
        "no word",
        RETRY,
        "the network, a crash, or [a transport error](#transport-errors): connect again with growing"
        " pauses, retry what was not answered with the same `request_id`",
    )
    NO_NAMESPACE = (
        "no `data`",
        NO_RETRY,
        "there is no namespace but `/`: a fault of the client",
    )
