"""What a WebSocket delivers to, and why it may not be read for now."""

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
