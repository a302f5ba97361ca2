"""Limits that a transport holds: token buckets, junk, networks, unauthenticated connections."""

import asyncio
import ipaddress
from typing import Final, Protocol

from starlette.types import Scope


class Bucket:
    """Tokens that grow at `rate` a second up to `burst`.

    A connection holds the buckets that its messages are counted in, until one is `forgotten`.
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


JUNK_RATE: Final = (20.0, 100)
"""So many a second, and at once: clients that ping each second, and some in every frame they send,
are far below."""


class JunkLimit:
    """How much one client may send that is no message. Made when there is some: most send none."""

    __slots__ = ("_bucket",)

    def __init__(self) -> None:
        self._bucket = Bucket(*JUNK_RATE, asyncio.get_running_loop().time())

    def exceeds(self) -> bool:
        """Count one more. Returns whether that is too much."""
        return self._bucket.take(asyncio.get_running_loop().time()) > 0


def address_of(scope: Scope) -> str:
    """Where a request is from, "" where that is not known.

    It is shown to others, and behind a proxy it is what somebody has written into a header: what is
    no address is nothing, and a zone, which may be anything, is left out.
    """
    client = scope.get("client")
    try:
        found = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return ""
    return str(found).partition("%")[0]


def network(address: str) -> str:
    """An IPv4 address itself, an IPv6 address's /64, "" for what is neither.

    A /64 is what one household or machine is given: its addresses are one and the same client.
    Source: RFC 6177; RFC 4291, 2.5.5.2 for IPv4 addresses written as IPv6.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found) >> 64 << 64, 64)))


class Guest(Protocol):
    """A connection whose client is not authenticated."""

    def give_way(self) -> None:
        """Close it: there are too many. It is discarded already."""
        ...


class Unauthenticated:
    """The connections whose clients are not authenticated: `most` of them at once.

    Each holds a few kilobytes at most, for a few seconds. Where there are too many, the network
    that has most of them gives one up: a client that floods the server with connections loses its
    own. Those whose log-in is being checked go last: they wait for the server, as all do after its
    restart.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._networks: dict[str, dict[Guest, None]] = {}  # the oldest first
        self._network_of: dict[Guest, str] = {}
        self._checked: dict[Guest, None] = {}  # those whose log-in is being checked

    def __len__(self) -> int:
        return len(self._network_of)

    def add(self, guest: Guest, address: str) -> None:
        """Count one, once. Beyond the most, the oldest of the fullest network is closed."""
        if guest in self._network_of:
            return
        origin = network(address)
        self._networks.setdefault(origin, {})[guest] = None
        self._network_of[guest] = origin
        if len(self._network_of) > self._most:
            # Looked for only where there are too many: it costs a look at each network.
            fullest = max(self._networks.values(), key=len)
            oldest = next(iter(fullest))
            if oldest is guest and self._checked:
                oldest = next(iter(self._checked))
            self.discard(oldest)
            oldest.give_way()

    def checking(self, guest: Guest) -> None:
        """Its log-in is being checked."""
        origin = self._network_of.get(guest)
        if origin is not None and guest not in self._checked:
            self._leave(origin, guest)
            self._checked[guest] = None

    def not_accepted(self, guest: Guest) -> None:
        """Its log-in was checked, and not accepted."""
        if guest in self._checked:
            del self._checked[guest]
            self._networks.setdefault(self._network_of[guest], {})[guest] = None

    def discard(self, guest: Guest) -> None:
        """It is authenticated, or gone. Does nothing for one that is not counted."""
        origin = self._network_of.pop(guest, None)
        if origin is None:
            return
        if guest in self._checked:
            del self._checked[guest]
        else:
            self._leave(origin, guest)

    def _leave(self, origin: str, guest: Guest) -> None:
        guests = self._networks[origin]
        del guests[guest]
        if not guests:
            del self._networks[origin]
