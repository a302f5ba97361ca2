"""What a transport refuses, closes or gives up, counted by its reason."""

from typing import Final

from protocol.endings import RefusalReason
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.runtime.metrics import Metrics
from server.transport.deadlines import Deadlines
from server.transport.limits import Unauthenticated
from server.transport.rfc6455 import CloseCode

log = logger("gateway")


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
        metrics: Metrics,
        clock: Clock,
        timeout_s: float,
        standstill_s: float = STANDSTILL_S,
        most_unauthenticated: int = MOST_UNAUTHENTICATED,
    ) -> None:
        # All of them from the start: what has not happened yet is 0, and not missing.
        self._counters = {reason: metrics.refused.labels(reason) for reason in RefusalReason}
        self.slow = Deadlines(clock, timeout_s)
        self.standstill_s: Final = standstill_s
        self.unauthenticated = Unauthenticated(most_unauthenticated)

    def count(self, reason: RefusalReason, why: str = "") -> None:
        """One was refused. `why`: in words, for the log; nothing secret."""
        self._counters[reason].inc()
        log.debug("transport_refused", reason=reason, why=why or reason.words)
