"""The gateway's own messages: rooms, renewal, the server's announcements."""

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
    str, msgspec.Meta(min_length=1, max_length=100, pattern=LINE, description="The name of a room.")
]
Epoch = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=LINE)]


class Since(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last kept event of a room that a client has received."""

    epoch: Epoch
    seq: Count


class Verdict(StrEnum):
    """The result of a join."""

    JOINED = "joined"  # the first time: a snapshot
    RESUMED = "resumed"  # no event was missed: no snapshot
    GAP_FILLED = "gap_filled"  # no snapshot; the missed events follow as ordinary events
    RESET = "reset"  # the missed events are not available: a snapshot, with the reason


class ResetReason(Ending):
    """Why missed events are not available. The join has succeeded: there is nothing to retry."""

    EPOCH_CHANGED = (
        "epoch_changed",
        NO_RETRY,
        "the numbering is new: the database was restored, or lost commits in a failover",
    )
    HISTORY_PRUNED = "history_pruned", NO_RETRY, "the missed events were pruned"
    AHEAD = (
        "ahead",
        NO_RETRY,
        "the given `seq` is higher than the last one: it never existed, or the room's whole"
        " history was pruned",
    )
    GAP_TOO_LARGE = (
        "gap_too_large",
        NO_RETRY,
        "the gap is more than 2,000 events, more than 512 KiB, or more than the free"
        " space in the client's send buffer",
    )


class Joined(msgspec.Struct, frozen=True, omit_defaults=True):
    """The verdict of a join. Live events with a higher `seq` follow.

    The type of `snapshot` depends on the kind of room.
    """

    room: str
    verdict: Verdict
    epoch: str
    seq: int
    snapshot: Any = None
    reason: ResetReason | None = None
    missed: int = 0


class RoomReason(ErrorReason):
    """The reasons of joining rooms."""

    TOO_MANY_ROOMS = "too_many_rooms"


@query(
    "rooms.join",
    permission=Permission.CONNECT,
    limit=Limit.ROOM,
    refuses=(RoomReason.TOO_MANY_ROOMS,),
)
class JoinRoom(Query[Joined], frozen=True):
    """Join a room: a snapshot, then its events. With `since`, only the missed events.

    A connection is in at most 1,000 rooms at once.
    """

    room: RoomName
    since: Since | None = None


@query("rooms.leave", permission=Permission.CONNECT, limit=Limit.ROOM)
class LeaveRoom(Query[Done], frozen=True):
    """Leave a room. Leaving a room that was not joined succeeds too."""

    room: RoomName


class Renewed(msgspec.Struct, frozen=True):
    """The remaining lifetime of the connection."""

    expires_in_s: int


@query("auth.renew", permission=Permission.CONNECT, limit=Limit.RARE)
class Renew(Query[Renewed], frozen=True):
    """Replace the access token of this connection by a new one of the same user."""

    token: Secret


class ExpiryReason(Ending):
    """Why a connection is no longer authenticated."""

    EXPIRED = (
        "expired",
        RETRY,
        "the token expired: refresh, and connect with the new token. If `refresh` is"
        " `unauthenticated`, ask the user to log in",
    )
    RIGHTS_CHANGED = (
        "rights_changed",
        RETRY,
        "the role of the user changed: refresh, and connect with the new token, which has the role",
    )
    LOGGED_OUT = (
        "logged_out",
        NO_RETRY,
        "the log-in ended, by a log-out, a new password, or the reuse of a refresh token after 10"
        " seconds: log in again",
    )
    DISABLED = "disabled", NO_RETRY, "the user was disabled: inform the user"
    DELETED = "deleted", NO_RETRY, "the user was deleted: inform the user"
    REVOKED = "revoked", NO_RETRY, "the service key was revoked: get another"


@event("auth.expired", delivery=LATEST)
class Expired(Event, frozen=True, kw_only=True):
    """The token or service key is no longer valid. The server closes the connection after this."""

    reason: ExpiryReason

    def room(self) -> Room:
        """None: it is sent to one connection."""
        return Room("")


@event("server.closing", delivery=LATEST)
class Closing(Event, frozen=True, kw_only=True):
    """The server is shutting down. Reconnect, not before `retry_after_ms`."""

    retry_after_ms: int

    def room(self) -> Room:
        """None: it is sent to every connection."""
        return Room("")


class EvictionReason(Ending):
    """Why the server evicted a connection."""

    TOO_MANY_BYTES = (
        "too_many_bytes",
        RETRY,
        "the send buffer was exceeded, and its messages were dropped: read faster, or join fewer"
        " rooms; join with `since`",
    )
    NO_PROGRESS = (
        "no_progress",
        RETRY,
        "the client read nothing from its send buffer, and its messages were dropped: the same",
    )
    FLOODING = (
        "flooding",
        RETRY,
        "the client kept sending after `rate_limited`, and its messages were dropped: send less,"
        " and wait for `retry_after_ms`",
    )
    DISCONNECTED = (
        "disconnected",
        RETRY,
        "an administrator closed this connection: show `message` to the user. It arrives after"
        " all pending messages; reconnecting is allowed",
    )


@event("server.evicted", delivery=LATEST)
class Evicted(Event, frozen=True, kw_only=True, omit_defaults=True):
    """The server evicts this connection: it exceeded a limit, or an administrator closed it.

    It is the last message. Reconnect and resume.
    """

    reason: EvictionReason
    message: str | None = None

    def room(self) -> Room:
        """None: it is sent to one connection."""
        return Room("")


class ConnectError(Ending):
    """The codes of a rejected handshake. A client handles them differently from the codes of a
    reply."""

    UNAUTHENTICATED = (
        Code.UNAUTHENTICATED.value,
        RETRY,
        "the token is not accepted: refresh once, and connect with the new token. Do not retry a"
        " second time, after an `unauthenticated` refresh, or with a service key",
    )
    UNAVAILABLE = (
        Code.UNAVAILABLE.value,
        RETRY,
        "the server is shutting down, or its database is down. The token is valid: connect again"
        " later",
    )
    RATE_LIMITED = (
        Code.RATE_LIMITED.value,
        RETRY,
        "the user has too many connections, or too many new ones: connect again after"
        " `retry_after_ms`",
    )
    INVALID = (
        Code.INVALID.value,
        NO_RETRY,
        "`auth` is not JSON, or the connection is already authenticated: an error of the client",
    )


class Parting(Ending):
    """How a connection ends without a reason of an enum, by what the client sees."""

    CLOSING = (
        "server.closing",
        RETRY,
        "the server is shutting down, for a restart or an update. It still acknowledges the"
        " messages that it has read; later ones are `unavailable`: connect again, not before"
        " `retry_after_ms`",
    )
    NO_WORD = (
        "no event",
        RETRY,
        "the network, a crash, or [a transport error](#transport-errors): connect again with"
        " growing pauses, and retry unacknowledged commands with the same `request_id`",
    )
    NO_NAMESPACE = (
        "no `data`",
        NO_RETRY,
        "the namespace is not `/`: an error of the client",
    )
