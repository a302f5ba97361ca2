"""Token buckets, and how much a client may send that is no message."""

import asyncio
from typing import Final


class Bucket:
    """Tokens that grow at `rate` a second up to `burst`.

    Whoever counts many messages of one holds its bucket, until that is `forgotten`.
    Source: token bucket, as in RFC 2697 without the excess.
    """

    __slots__ = ("at", "burst", "forgotten", "rate", "tokens")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self.tokens = burst
        self.at = now
        self.forgotten = False

    def level(self, now: float) -> float:
        """How many tokens there are now."""
        return min(self.burst, self.tokens + (now - self.at) * self.rate)

    def take(self, now: float) -> float:
        """Take one token. Returns 0, or the seconds until there is one."""
        tokens = self.level(now)
        self.at = now
        if tokens >= 1:
            self.tokens = tokens - 1
            return 0.0
        self.tokens = tokens
        return (1 - tokens) / self.rate

    def give_back(self) -> None:
        """Put one token back."""
        self.tokens = min(self.burst, self.tokens + 1)


OVERHEAD: Final = (20.0, 100)
"""So many a second, and at once: clients that ping each second, and some in every frame they send,
are far below."""


class Overhead:
    """That of one client, made when there is some: most have none."""

    __slots__ = ("_bucket",)

    def __init__(self) -> None:
        self._bucket = Bucket(*OVERHEAD, asyncio.get_running_loop().time())

    def exceeds(self) -> bool:
        """Count one more. Returns whether that is too much."""
        return self._bucket.take(asyncio.get_running_loop().time()) > 0
