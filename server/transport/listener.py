"""What a WebSocket delivers to, why it may not be read for now, and for how long it was not."""

from enum import IntFlag
from typing import Protocol


class Stop(IntFlag):
    """Why a WebSocket is not read for now."""

    VERDICT = 1  # a log-in is being checked: what follows it waits
    BACKLOG = 2  # what the client has sent before is not handled yet


class Listener(Protocol):
    """What a WebSocket delivers to. None of it is awaited."""

    def text(self, text: str) -> None:
        """A message of text."""
        ...

    def binary(self, data: bytes) -> None:
        """A message of bytes."""
        ...

    def pinged(self) -> None:
        """The peer has sent a ping, and gets its answer."""
        ...

    def pong(self) -> None:
        """The peer answers a ping."""
        ...

    def arriving(self, size: int) -> None:
        """So many bytes of a message are held that has not ended; 0 once it has.

        Called for messages of more than LARGE_BYTES.
        """
        ...

    def lost(self) -> None:
        """Nothing more comes or goes. Called once."""
        ...


class Deaf:
    """A listener that does nothing: that of a socket that is closed."""

    def text(self, text: str) -> None:
        """Ignored."""

    def binary(self, data: bytes) -> None:
        """Ignored."""

    def pinged(self) -> None:
        """Ignored."""

    def pong(self) -> None:
        """Ignored."""

    def arriving(self, size: int) -> None:
        """Ignored."""

    def lost(self) -> None:
        """Ignored."""


class Standstill:
    """The pauses in which the server did not read one client.

    Its deadlines stand still meanwhile: it can't be late with what is not read. Each pause counts
    for `limit_s` seconds at most.

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
