"""Rate limits: a token bucket for each person and class."""

from typing import Final

from protocol.errors import Code, Error, Failure
from protocol.message import RATES, Limit

MAX_BUCKETS: Final = 20_000


class Bucket:
    """Tokens that grow at `rate` a second up to `burst`.

    Source: token bucket, as in RFC 2697 without the excess.
    """

    __slots__ = ("at", "tokens")

    def __init__(self, burst: int, now: float) -> None:
        self.tokens = float(burst)
        self.at = now

    def take(self, rate: float, burst: int, now: float) -> float:
        """Take one token. Returns 0, or the seconds until there is one."""
        self.tokens = min(float(burst), self.tokens + (now - self.at) * rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / rate


class Limits:
    """The buckets of everybody."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, Limit], Bucket] = {}

    def check(self, who: str, limit: Limit, now: float) -> None:
        """Count one message. Raises Failure `rate_limited` with how long to wait."""
        rate, burst = RATES[limit]
        bucket = self._buckets.get((who, limit))
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._forget(now)
            bucket = self._buckets[who, limit] = Bucket(burst, now)
        wait = bucket.take(rate, burst, now)
        if wait:
            raise Failure(
                Error(
                    Code.RATE_LIMITED,
                    f"at most {rate:g} a second, {burst} at once",
                    retry_after_ms=int(wait * 1000) + 1,
                )
            )

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again: a new one would be the same."""
        for key, bucket in list(self._buckets.items()):
            rate, burst = RATES[key[1]]
            if bucket.tokens + (now - bucket.at) * rate >= burst:
                del self._buckets[key]
