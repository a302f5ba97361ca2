"""What a transport refuses, closes or gives up, counted by its reason."""

from enum import StrEnum
from typing import Final, Self

from server.runtime.clock import Clock
from server.runtime.gauges import Gauges
from server.runtime.log import logger
from server.transport.deadlines import Deadlines
from server.transport.limits import Unauthenticated
from server.transport.rfc6455 import CloseCode

log = logger("gateway")


class RefusalReason(StrEnum):
    """Why a transport refuses a request or ends a connection.

    `close_code` is what a WebSocket is closed with, None where there is none to close; `words` are
    what the client is told where nothing more exact is known.
    """

    close_code: CloseCode | None
    words: str

    def __new__(cls, value: str, close_code: CloseCode | None, words: str) -> Self:
        """A member with what belongs to it."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.close_code = close_code
        member.words = words
        return member

    PROTOCOL_ERROR = "protocol_error", CloseCode.PROTOCOL_ERROR, "no frame of a WebSocket"
    INVALID_TEXT = "invalid_text", CloseCode.INVALID_DATA, "the text is not UTF-8"
    TOO_LARGE = "too_large", CloseCode.TOO_LARGE, "larger than a message may be"
    TOO_MANY_FRAGMENTS = "too_many_fragments", CloseCode.POLICY, "too many fragments"
    PARSE_ERROR = "parse_error", CloseCode.PROTOCOL_ERROR, "no packet of the protocol"
    SLOW = "slow", CloseCode.POLICY, "it did not come whole in time"
    NO_LOGIN = "no_login", CloseCode.POLICY, "no log-in in time"
    PING_TIMEOUT = "ping_timeout", CloseCode.POLICY, "ping timeout"
    UNREAD = "unread", CloseCode.POLICY, "what waited was not read"
    BROKEN_POLL = "broken_poll", None, "a request broke off, or a poll came twice"
    BAD_REQUEST = "bad_request", None, "no request that is answered here"
    UNKNOWN_SESSION = "unknown_session", None, "no such session"
    ORIGIN = "origin", None, "this origin is not allowed"
    FULL_ADDRESS = "full_address", None, "an address has as many connections as it may"
    FULL_PERSON = "full_person", CloseCode.POLICY, "a person has as many connections as they may"
    CONNECT_RATE = "connect_rate", None, "connections are opened too often"
    FLOODING = "flooding", CloseCode.POLICY, "flooding"
    UNAUTHENTICATED = "unauthenticated", None, "who it is was not accepted"
    TOO_MANY_UNAUTHENTICATED = (
        "too_many_unauthenticated",
        CloseCode.TRY_AGAIN_LATER,
        "too many clients are not authenticated",
    )


FRAME_FAULTS: Final = {
    CloseCode.PROTOCOL_ERROR: RefusalReason.PROTOCOL_ERROR,
    CloseCode.INVALID_DATA: RefusalReason.INVALID_TEXT,
    CloseCode.TOO_LARGE: RefusalReason.TOO_LARGE,
    CloseCode.POLICY: RefusalReason.TOO_MANY_FRAGMENTS,
}
"""What a broken frame counts as, by the code that it is closed with."""


STANDSTILL_S: Final = 30.0
MOST_UNAUTHENTICATED: Final = 2000


class Refusals:
    """Counts them, and holds what bounds a client that has not shown what it wants.

    `slow` ends what has begun to come in and does not come whole in `timeout_s`, which stands still
    for `standstill_s` at most while the server does not read. `unauthenticated` are the clients
    that are not authenticated, `most_unauthenticated` at once.
    """

    def __init__(
        self,
        gauges: Gauges,
        clock: Clock,
        timeout_s: float,
        standstill_s: float = STANDSTILL_S,
        most_unauthenticated: int = MOST_UNAUTHENTICATED,
    ) -> None:
        # All of them from the start: what has not happened yet is 0, and not missing.
        self._counters = {reason: gauges.refused.labels(reason) for reason in RefusalReason}
        self.slow = Deadlines(clock, timeout_s)
        self.standstill_s: Final = standstill_s
        self.unauthenticated = Unauthenticated(most_unauthenticated)

    def count(self, reason: RefusalReason, why: str = "") -> None:
        """One was refused. `why`: in words, for the log; nothing secret."""
        self._counters[reason].inc()
        log.debug("transport_refused", reason=reason, why=why or reason.words)
