"""How long the server has left unread what a client sends, so that the client's deadlines stand
still meanwhile: it can't be late with what the server does not read.
"""


class Standstill:
    """The pauses in which one client was not read. Each counts for `limit_s` seconds at most.

    All times are seconds of one monotonic clock.
    """

    __slots__ = ("_before_s", "_limit_s", "_since")

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._before_s = 0.0
        self._since: float | None = None

    def begin(self, now: float) -> None:
        """The server stops reading. Does nothing where it does not read already."""
        if self._since is None:
            self._since = now

    def end(self, now: float) -> None:
        """The server reads again. Does nothing where it did."""
        self._before_s = self.total_s(now)
        self._since = None

    def total_s(self, now: float) -> float:
        """For how long deadlines have stood still since the client came."""
        paused_s = 0.0 if self._since is None else min(now - self._since, self._limit_s)
        return self._before_s + paused_s
