"""The reasons that end a message, a connection or a numbering, each with whether to retry.

Documents and clients read the flag and the meaning of each member from here.
"""

from enum import StrEnum
from typing import Final, Self

RETRY: Final = True
NO_RETRY: Final = False


class Ending(StrEnum):
    """A closed set of reasons.

    `retry`: whether a client retries by itself, with its token or one from `refresh`; otherwise the
    user has to act first. `meaning`: the cause, and what to do.
    """

    retry: bool
    meaning: str

    def __new__(cls, value: str, retry: bool = NO_RETRY, meaning: str = "") -> Self:
        """A member with what belongs to it; each is written with all of it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.retry = retry
        member.meaning = meaning
        return member


class RefusalReason(Ending):
    """Why a transport rejects a request or closes a connection.

    `close_code` is the WebSocket's close code, None if there is no WebSocket; `statuses` are those
    of HTTP; `words` is the text for the client if there is no more exact one.
    """

    close_code: int | None
    statuses: tuple[int, ...]
    words: str

    def __new__(
        cls,
        value: str,
        close_code: int | None = None,
        statuses: tuple[int, ...] = (),
        retry: bool = NO_RETRY,
        meaning: str = "",
        words: str = "",
    ) -> Self:
        """A member with what belongs to it; each is written with all of it."""
        # That of the class above only finds members: an enum is closed once it is made.
        member = str.__new__(cls, value)
        member._value_ = value
        member.close_code = close_code
        member.statuses = statuses
        member.retry = retry
        member.meaning = meaning
        member.words = words
        return member

    PROTOCOL_ERROR = (
        "protocol_error",
        1002,
        (),
        NO_RETRY,
        "a malformed WebSocket frame: an error of the client, or of an intermediary",
        "malformed WebSocket frame",
    )
    INVALID_TEXT = (
        "invalid_text",
        1007,
        (),
        NO_RETRY,
        "the text is not UTF-8: an error of the client",
        "the text is not UTF-8",
    )
    TOO_LARGE = (
        "too_large",
        1009,
        (413, 431),
        NO_RETRY,
        "a message, body or head above [the limit](#limits): send smaller messages",
        "the message is larger than the limit",
    )
    TOO_MANY_FRAGMENTS = (
        "too_many_fragments",
        1008,
        (),
        NO_RETRY,
        "a message in too many fragments: send it in one",
        "too many fragments",
    )
    PARSE_ERROR = (
        "parse_error",
        1002,
        (400,),
        NO_RETRY,
        "a malformed packet of Engine.IO or Socket.IO: an error of the client",
        "malformed packet",
    )
    SLOW = (
        "slow",
        1008,
        (408,),
        RETRY,
        "a message or a request was not complete in time: send it faster",
        "the message or request was not complete in time",
    )
    NO_LOGIN = (
        "no_login",
        1008,
        (),
        RETRY,
        "the client did not authenticate in time: send `auth` at once",
        "not authenticated in time",
    )
    PING_TIMEOUT = (
        "ping_timeout",
        1008,
        (),
        RETRY,
        "the client did not answer a ping",
        "ping timeout",
    )
    UNREAD = (
        "unread",
        1008,
        (),
        RETRY,
        "the send buffer was exceeded before authentication: read what is sent",
        "send buffer exceeded before authentication",
    )
    BROKEN_POLL = (
        "broken_poll",
        None,
        (400,),
        RETRY,
        "a poll was interrupted, repeated or overlapped another: connect again, join with `since`",
        "a request was interrupted, or a poll was repeated",
    )
    BAD_REQUEST = (
        "bad_request",
        None,
        (400, 404, 405),
        NO_RETRY,
        "a malformed request, or an unknown address or method: an error of the client",
        "malformed request, or unknown address or method",
    )
    UNKNOWN_SESSION = (
        "unknown_session",
        None,
        (400,),
        RETRY,
        "the polling session has ended: connect again, without `sid`",
        "unknown session",
    )
    ORIGIN = (
        "origin",
        None,
        (403,),
        NO_RETRY,
        "the page is of another origin: add it to `CORS_ORIGINS`",
        "this origin is not allowed",
    )
    FULL_ADDRESS = (
        "full_address",
        None,
        (429,),
        RETRY,
        "too many connections of one address: connect again after `Retry-After`",
        "too many connections of one address",
    )
    FULL_PERSON = (
        "full_person",
        1008,
        (429,),
        RETRY,
        "too many connections of one user: close others, or connect again after `Retry-After`",
        "too many connections of one user",
    )
    CONNECT_RATE = (
        "connect_rate",
        None,
        (429,),
        RETRY,
        "too many new connections: connect again after `Retry-After`",
        "too many new connections",
    )
    FLOODING = (
        "flooding",
        1008,
        (),
        RETRY,
        "too much junk: see [the limit](#limits), and send less",
        "flooding",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        None,
        (401,),
        RETRY,
        "the handshake of `/ws` was rejected: do the same as for that `connect_error`",
        "the token or the service key is not accepted",
    )
    TOO_MANY_UNAUTHENTICATED = (
        "too_many_unauthenticated",
        1013,
        (503,),
        RETRY,
        "too many unauthenticated clients; the server closes the oldest of the network with the"
        " most: authenticate at once",
        "too many unauthenticated clients",
    )
