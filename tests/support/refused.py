"""Refusals by a clock that a test turns, and what they have counted."""

from protocol.endings import RefusalReason
from server.runtime.metrics import Metrics
from server.transport.refusals import Refusals
from tests.support.clock import ManualClock

TIMEOUT_S = 8.0


class Refused:
    """What is refused in a test. `pass_time` lets all that is slow be late."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self._metrics = Metrics()
        self.refusals = Refusals(self._metrics, self.clock, TIMEOUT_S)

    def pass_time(self, seconds: float = TIMEOUT_S) -> None:
        """Turn the clock, and do what its watcher does then."""
        self.clock.advance(seconds)
        while self.refusals.slow.end_late():
            continue

    @property
    def counted(self) -> dict[RefusalReason, int]:
        """How often each was counted, without those that were not."""
        text = self._metrics.expose()[0].decode()
        found = {}
        for reason in RefusalReason:
            name = f'warroom_transport_refused_total{{reason="{reason}"}} '
            found[reason] = int(float(text.partition(name)[2].split()[0]))
        return {reason: count for reason, count in found.items() if count}
