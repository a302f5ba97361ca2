"""Rate limits of messages: of a user, of an address, and of a client that ignores refusals.

Not a library: to count a message for its user and its address takes 0.4 to 0.7 us of CPU here; for
one of the two, `limits` 5.8 takes 5 to 14 and `throttled-py` 3.5 takes 10 (in turns in one process,
Python 3.11). `aiolimiter` 1.3 takes 1, but does not say how long to wait, and forgets no name:
after 100,000 made-up names 59 MB were in use, and 7 MB here.
"""

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Final

from protocol.errors import Code, Error, Failure
from protocol.message import Limit, Rates
from server.transport.limits import Bucket

if TYPE_CHECKING:
    from server.gateway.connection import Connection

MAX_BUCKETS: Final = 20_000
LOOKED_AT: Final = 8
"""How many of the buckets that were not used for longest are looked at to make room for one."""


class BucketPair:
    """Two buckets that one message is counted in: that of a user and that of an address."""

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
        words = f"rate limit exceeded: at most {rate:g} a second, {burst:g} at once{self._whose}"
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

        Where nothing is, the fullest of those that were not looked up for longest goes: an attacker
        with thousands of made-up names evicts only their buckets, never one that is used up.
        """
        looked_at = islice(self._buckets.items(), LOOKED_AT)
        levels = {key: bucket.level(now) / bucket.burst for key, bucket in looked_at}
        full = [key for key, level in levels.items() if level >= 1]
        for key in full or [max(levels, key=levels.__getitem__)]:
            self._buckets.pop(key).forgotten = True


IN_SPITE: Final = (10.0, 100)
"""Messages a second, and how many at once, that may come in spite of being told to wait: those
that were on their way, or that a careless client sent side by side."""


class FloodGuard:
    """One connection: counts the messages that it sent before the `retry_after_ms` of the last
    refusal of their class was over. A client that waits is never counted."""

    __slots__ = ("_excused", "_until", "exceeded")

    def __init__(self) -> None:
        self._excused: Bucket | None = None  # most are never told to wait
        self._until: dict[Limit, float] = {}
        self.exceeded = False

    def refused(self, limit: Limit, wait_s: float, now: float) -> None:
        """A message was refused and told to wait. `exceeded` once it was too often in vain."""
        rate, at_once = IN_SPITE
        if now < self._until.get(limit, 0.0):
            if self._excused is None:
                self._excused = Bucket(rate, at_once, now)
            if self._excused.take(now):
                self.exceeded = True
        self._until[limit] = now + wait_s


class MessageLimits:
    """The rates of one user or service, and those of one address: a message counts in both."""

    def __init__(self, users: Limits, addresses: Limits) -> None:
        self._users = users
        self._addresses = addresses

    def count(self, connection: "Connection", limit: Limit, now: float) -> None:
        """Count a message. Raises Failure `rate_limited`."""
        buckets = connection.buckets.get(limit)
        if buckets is None or buckets.forgotten:
            buckets = connection.buckets[limit] = BucketPair(
                self._users.bucket(connection.identity.id, limit, now),
                self._addresses.bucket(connection.network, limit, now),
            )
        if buckets.take(now):
            return
        limits = self._users
        wait_s = buckets.one.take(now)
        if not wait_s:
            buckets.one.give_back()
            limits = self._addresses
            wait_s = buckets.other.take(now)
        connection.flood_guard.refused(limit, int(wait_s * 1000) / 1000, now)
        raise limits.refusal(limit, wait_s)
