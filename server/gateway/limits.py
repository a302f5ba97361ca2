"""Rate limits: a token bucket for each one that is counted and each class."""

from collections import OrderedDict
from itertools import islice
from typing import Final

from protocol.errors import Code, Error, Failure
from protocol.message import Limit, Rates

MAX_BUCKETS: Final = 20_000
LOOKED_AT: Final = 8
"""How many of the buckets that were not used for longest are looked at to make room for one."""


class Bucket:
    """Tokens that grow at `rate` a second up to `burst`.

    Source: token bucket, as in RFC 2697 without the excess.
    """

    __slots__ = ("at", "tokens")

    def __init__(self, burst: int, now: float) -> None:
        self.tokens = float(burst)
        self.at = now

    def level(self, rate: float, burst: int, now: float) -> float:
        """How many tokens there are now."""
        return min(float(burst), self.tokens + (now - self.at) * rate)

    def take(self, rate: float, burst: int, now: float) -> float:
        """Take one token. Returns 0, or the seconds until there is one."""
        tokens = self.tokens + (now - self.at) * rate
        if tokens > burst:  # as `level` has it; spelled out, as this is done for every message
            tokens = float(burst)
        self.at = now
        if tokens >= 1:
            self.tokens = tokens - 1
            return 0.0
        self.tokens = tokens
        return (1 - tokens) / rate


class Limits:
    """The buckets of everybody of one kind: people, accounts, addresses.

    `scale` multiplies all rates; `whose` says in a refusal what is counted. There are never more
    than MAX_BUCKETS, and to count one message takes the same few steps however many there are.
    """

    def __init__(self, rates: Rates, *, scale: float = 1.0, whose: str = "") -> None:
        self._rates = {
            limit: (rate * scale, max(1, round(burst * scale)))
            for limit, (rate, burst) in rates.items()
        }
        self._whose = whose
        self._buckets: OrderedDict[tuple[str, Limit], Bucket] = OrderedDict()

    def check(self, who: str, limit: Limit, now: float) -> None:
        """Count one message. Raises Failure `rate_limited` with how long to wait."""
        wait = self.take(who, limit, now)
        if wait:
            raise self.refusal(limit, wait)

    def refusal(self, limit: Limit, wait_s: float) -> Failure:
        """What a message is answered with that came too early."""
        rate, burst = self._rates[limit]
        words = f"at most {rate:g} a second, {burst} at once{self._whose}"
        return Failure(Error(Code.RATE_LIMITED, words, retry_after_ms=int(wait_s * 1000) + 1))

    def take(self, who: str, limit: Limit, now: float) -> float:
        """Count one message. Returns 0, or the seconds until one may be sent."""
        rate, burst = self._rates[limit]
        key = (who, limit)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._make_room(now)
            bucket = self._buckets[key] = Bucket(burst, now)
        else:
            self._buckets.move_to_end(key)
            # What the bucket does, in one step for what is nearly always so.
            tokens = bucket.tokens + (now - bucket.at) * rate
            if tokens >= 1:
                bucket.tokens = (tokens if tokens < burst else burst) - 1.0
                bucket.at = now
                return 0.0
        return bucket.take(rate, burst, now)

    def give_back(self, who: str, limit: Limit) -> None:
        """Take back that a message was counted."""
        bucket = self._buckets.get((who, limit))
        if bucket is not None:
            bucket.tokens = min(float(self._rates[limit][1]), bucket.tokens + 1)

    def _make_room(self, now: float) -> None:
        """Drop what is full again, as a new bucket would be the same.

        Where nothing is, the fullest of those that were not used for longest goes: whoever makes
        up names by the thousand pushes out their buckets, and not one that is used up.
        """
        levels = {}
        for key, bucket in islice(self._buckets.items(), LOOKED_AT):
            rate, burst = self._rates[key[1]]
            levels[key] = bucket.level(rate, burst, now) / burst
        full = [key for key, level in levels.items() if level >= 1]
        for key in full or [max(levels, key=levels.__getitem__)]:
            del self._buckets[key]
