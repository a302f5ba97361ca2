"""Rate limits: a token bucket for each one that is counted and each class.

Not a library: to count a message for its user and its address takes 0.4 to 0.7 µs of CPU here; for
one of the two, `limits` 5.8 takes 5 to 14 and `throttled-py` 3.5 takes 10 (in turns in one process,
Python 3.11). `aiolimiter` 1.3 takes 1, but does not say how long to wait, and forgets nobody: after
100,000 made-up names 59 MB were in use, and 7 MB here.
"""

import asyncio
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


class Both:
    """Two buckets that one message is counted in: that of a person and that of an address."""

    __slots__ = ("one", "other")

    def __init__(self, one: Bucket, other: Bucket) -> None:
        self.one = one
        self.other = other

    @property
    def forgotten(self) -> bool:
        """Whether one of them is."""
        return self.one.forgotten or self.other.forgotten

    def take(self, now: float) -> bool:
        """Take a token of each, or none. Returns whether both had one, and are not forgotten."""
        # Done for every message, so what `Bucket.take` does stands here in one piece.
        one, other = self.one, self.other
        ones = one.tokens + (now - one.at) * one.rate
        others = other.tokens + (now - other.at) * other.rate
        if ones < 1.0 or others < 1.0 or one.forgotten or other.forgotten:
            return False
        one.tokens = (ones if ones < one.burst else one.burst) - 1.0
        other.tokens = (others if others < other.burst else other.burst) - 1.0
        one.at = other.at = now
        return True


class Limits:
    """The buckets of everybody of one kind: people, accounts, addresses.

    `scale` multiplies all rates; `whose` says in a refusal what is counted. There are never more
    than MAX_BUCKETS, and to count one message takes the same few steps however many there are.
    """

    def __init__(self, rates: Rates, *, scale: float = 1.0, whose: str = "") -> None:
        self._rates = {
            limit: (rate * scale, float(max(1, round(burst * scale))))
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
        words = f"at most {rate:g} a second, {burst:g} at once{self._whose}"
        return Failure(Error(Code.RATE_LIMITED, words, retry_after_ms=int(wait_s * 1000) + 1))

    def take(self, who: str, limit: Limit, now: float) -> float:
        """Count one message. Returns 0, or the seconds until one may be sent."""
        return self.bucket(who, limit, now).take(now)

    def bucket(self, who: str, limit: Limit, now: float) -> Bucket:
        """The bucket of one that is counted."""
        key = (who, limit)
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._make_room(now)
            bucket = self._buckets[key] = Bucket(*self._rates[limit], now)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def give_back(self, who: str, limit: Limit) -> None:
        """Take back that a message was counted."""
        bucket = self._buckets.get((who, limit))
        if bucket is not None:
            bucket.give_back()

    def _make_room(self, now: float) -> None:
        """Forget what is full again, as a new bucket would be the same.

        Where nothing is, the fullest of those that were not looked up for longest goes: whoever
        makes up names by the thousand pushes out their buckets, and not one that is used up.
        """
        looked_at = islice(self._buckets.items(), LOOKED_AT)
        levels = {key: bucket.level(now) / bucket.burst for key, bucket in looked_at}
        full = [key for key, level in levels.items() if level >= 1]
        for key in full or [max(levels, key=levels.__getitem__)]:
            self._buckets.pop(key).forgotten = True


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


IN_SPITE: Final = (10.0, 100)
"""Messages a second, and how many at once, that may come in spite of being told to wait: those
that were on their way, or that a careless client sent side by side."""


class Pace:
    """One connection. A message that is refused for its rate counts against it where it came
    before the moment that an earlier refusal in its class had named: whoever waits, never does."""

    __slots__ = ("_excused", "_until", "lost")

    def __init__(self) -> None:
        self._excused: Bucket | None = None  # most are never told to wait
        self._until: dict[Limit, float] = {}
        self.lost = False

    def refused(self, limit: Limit, wait_s: float, now: float) -> None:
        """A message was refused and told to wait. `lost` once it was too often in vain."""
        rate, at_once = IN_SPITE
        if now < self._until.get(limit, 0.0):
            if self._excused is None:
                self._excused = Bucket(rate, at_once, now)
            if self._excused.take(now):
                self.lost = True
        self._until[limit] = now + wait_s
