"""What clients have sent and no handler has taken yet: bounded in bytes, for a connection, a user
and all together.

Beyond a bound the connection is not read, so that the rest stays in the kernel and TCP slows the
client down. A connection that holds little is read in any case, so that no user's small messages
wait for the large ones of their other connections. And so is the one that has held much for
longest: its message can end, so there is always one that makes room.
"""

from collections import Counter
from typing import Final, NamedTuple, Protocol

from server.transport.websocket import LARGE_BYTES

USER_MESSAGES: Final = 4
"""So many of the largest messages may wait for all connections of one user together."""


class BacklogLimits(NamedTuple):
    """Bounds in bytes. `connection` is that of what waits behind the message being handled."""

    connection: int
    user: int
    total: int

    @classmethod
    def of(cls, max_message_bytes: int, total: int) -> "BacklogLimits":
        """The bounds for messages of a size."""
        return cls(max_message_bytes, USER_MESSAGES * max_message_bytes, total)


class Sender(Protocol):
    """A connection: its user, what it holds, and how it is read."""

    @property
    def user_id(self) -> str:
        """Whose connection it is."""
        ...

    @property
    def inbox_bytes(self) -> int:
        """What waits behind the message that is being handled."""
        ...

    @property
    def arriving_bytes(self) -> int:
        """What has come of a message, or of a body of polling, that has not ended."""
        ...

    def stop_reading(self) -> None:
        """Read nothing more."""
        ...

    def read_on(self) -> None:
        """Read on."""
        ...


class Backlog:
    """That of one process. Only connections that hold more than LARGE_BYTES are counted in it."""

    def __init__(self, limits: BacklogLimits) -> None:
        self._limits = limits
        self._held: dict[Sender, int] = {}  # those that have held much for longest come first
        self._of_user: dict[str, dict[Sender, None]] = {}  # the same, by user
        self._user_bytes: Counter[str] = Counter()
        self._stopped: dict[Sender, None] = {}
        self.total_bytes = 0

    @property
    def stopped(self) -> int:
        """How many connections are not read."""
        return len(self._stopped)

    def update(self, sender: Sender) -> None:
        """What a connection holds has changed."""
        size = sender.inbox_bytes + sender.arriving_bytes
        if size <= LARGE_BYTES:
            size = 0
        before = self._held.get(sender, 0)
        if size == before:
            return
        self._count(sender, size, size - before)
        self._judge(sender)
        # A bound that is crossed concerns all: each of the others would bring one more read.
        for other in list(self._stopped if size < before else self._held):
            self._judge(other)

    def forget(self, sender: Sender) -> None:
        """A connection is closed, and nothing of it waits any more."""
        if self._stopped.pop(sender, None) is not None or sender in self._held:
            self.update(sender)

    def _count(self, sender: Sender, size: int, more: int) -> None:
        user_id = sender.user_id
        self.total_bytes += more
        self._user_bytes[user_id] += more
        if size:
            self._held[sender] = size
            self._of_user.setdefault(user_id, {})[sender] = None
            return
        del self._held[sender]
        senders = self._of_user[user_id]
        del senders[sender]
        if not senders:
            del self._of_user[user_id], self._user_bytes[user_id]

    def _judge(self, sender: Sender) -> None:
        exceeds = self._exceeds(sender)
        if exceeds and sender not in self._stopped:
            self._stopped[sender] = None
            sender.stop_reading()
        elif not exceeds and sender in self._stopped:
            del self._stopped[sender]
            sender.read_on()

    def _exceeds(self, sender: Sender) -> bool:
        size = self._held.get(sender, 0)
        if not size:
            return False
        if sender.inbox_bytes and size > self._limits.connection:
            return True
        user_id = sender.user_id
        if (
            self._user_bytes[user_id] > self._limits.user
            and next(iter(self._of_user[user_id])) is not sender
        ):
            return True
        return self.total_bytes > self._limits.total and next(iter(self._held)) is not sender
