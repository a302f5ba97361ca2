"""Endings: every reason why a message, a connection or a numbering ended, with whether to retry.

The flag and the meaning stand at each member, so that documents and clients read them from here.
"""

from enum import StrEnum
from typing import Final, Self

RETRY: Final = True
NO_RETRY: Final = False


class Ending(StrEnum):
    """A closed set of reasons.

    `retry`: whether a client tries again by itself, with what it has or gets by `refresh`; else a
    person has to do something first. `meaning`: why, and what to do.
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
    """Why a transport refuses a request or ends a connection.

    `close_code` is what a WebSocket is closed with, None where there is none to close; `statuses`
    are those of HTTP; `words` are what the client is told where nothing more exact is known.
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
        "a frame broke the rules of WebSockets: a fault of the client, or of what lies between",
        "no frame of a WebSocket",
    )
    INVALID_TEXT = (
        "invalid_text",
        1007,
        (),
        NO_RETRY,
        "the text is not UTF-8: the same",
        "the text is not UTF-8",
    )
    TOO_LARGE = (
        "too_large",
        1009,
        (413, 431),
        NO_RETRY,
        "more than [the limit](#limits) in one message, body or head: send less at once",
        "larger than a message may be",
    )
    TOO_MANY_FRAGMENTS = (
        "too_many_fragments",
        1008,
        (),
        NO_RETRY,
        "a message in more parts than may be: send it in one",
        "too many fragments",
    )
    PARSE_ERROR = (
        "parse_error",
        1002,
        (400,),
        NO_RETRY,
        "no packet of Engine.IO or Socket.IO: a fault of the client",
        "no packet of the protocol",
    )
    SLOW = (
        "slow",
        1008,
        (408,),
        RETRY,
        "a message or a request did not come whole in time",
        "it did not come whole in time",
    )
    NO_LOGIN = (
        "no_login",
        1008,
        (),
        RETRY,
        "the client did not authenticate in time: send `auth` at once",
        "no log-in in time",
    )
    PING_TIMEOUT = "ping_timeout", 1008, (), RETRY, "nothing was heard of you", "ping timeout"
    UNREAD = (
        "unread",
        1008,
        (),
        RETRY,
        "the send buffer was exceeded before authentication: read what is sent",
        "what waited was not read",
    )
    BROKEN_POLL = (
        "broken_poll",
        None,
        (400,),
        RETRY,
        "a poll broke off, overlapped another or came twice: connect again, join with `since`",
        "a request broke off, or a poll came twice",
    )
    BAD_REQUEST = (
        "bad_request",
        None,
        (400, 404, 405),
        NO_RETRY,
        "nothing that is answered there: a fault of the client",
        "no request that is answered here",
    )
    UNKNOWN_SESSION = (
        "unknown_session",
        None,
        (400,),
        RETRY,
        "the session of polling is over: connect anew, without `sid`",
        "no such session",
    )
    ORIGIN = (
        "origin",
        None,
        (403,),
        NO_RETRY,
        "the page is from elsewhere: name it in `CORS_ORIGINS`",
        "this origin is not allowed",
    )
    FULL_ADDRESS = (
        "full_address",
        None,
        (429,),
        RETRY,
        "as many connections as one address may have: again after `Retry-After`",
        "an address has as many connections as it may",
    )
    FULL_PERSON = (
        "full_person",
        1008,
        (429,),
        RETRY,
        "as many as one person may have: close others, or again after `Retry-After`",
        "a person has as many connections as they may",
    )
    CONNECT_RATE = (
        "connect_rate",
        None,
        (429,),
        RETRY,
        "connections are opened too fast: again after `Retry-After`",
        "connections are opened too often",
    )
    FLOODING = (
        "flooding",
        1008,
        (),
        RETRY,
        "too much that is no message: send less",
        "flooding",
    )
    UNAUTHENTICATED = (
        "unauthenticated",
        None,
        (401,),
        RETRY,
        "as `connect_error` of that code: the handshake of `/ws` says so in HTTP",
        "who it is was not accepted",
    )
    TOO_MANY_UNAUTHENTICATED = (
        "too_many_unauthenticated",
        1013,
        (503,),
        RETRY,
        "too many clients connected and did not authenticate; the oldest of the network that has"
        " most of them is closed: authenticate at once",
        "too many clients are not authenticated",
    )
