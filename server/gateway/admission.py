"""Admission: how many connections one address and one user may have, and how often they may open
one.

An address has a place from the handshake on, before its client is authenticated, and until the
transport is gone; a user from the log-in on. As many as may be open at once may also be opened
at once, as after a restart of the server, and as many again within RENEWED_S.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from protocol.endings import RefusalReason
from protocol.errors import Code, Error, Failure
from protocol.message import Limit
from server.gateway.identity import Identity
from server.gateway.rate_limits import Limits
from server.transport.limits import network
from server.transport.refusals import Refusals

FULL_RETRY_MS: Final = 5000
"""When it may be tried again where there is no place: some are gone by then, or none."""
RENEWED_S: Final = 10.0
_OPENED: Final = Limit.RARE
"""The class that connections count in, at rates of their own."""


class Most(NamedTuple):
    """How many connections there may be at once."""

    of_address: int
    of_person: int


def _rates(most: int, whose: str) -> Limits:
    return Limits({_OPENED: (most / RENEWED_S, most)}, whose=whose)


class Admission:
    """The places of everybody. `open_of`: how many connections a person has that have logged in."""

    def __init__(
        self,
        most: Most,
        open_of: Callable[[Identity], int],
        refusals: Refusals,
        monotonic: Callable[[], float],
    ) -> None:
        self._most = most
        self._addresses = _rates(most.of_address, " per address")
        self._people = _rates(most.of_person, " per user")
        self._open_of = open_of
        self._refusals = refusals
        self._monotonic = monotonic
        self._taken: Counter[str] = Counter()  # by network; none stands in it with 0

    @property
    def taken(self) -> int:
        """How many connections there are, logged in or not."""
        return self._taken.total()

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Take a place, and give it back where what follows fails. Raises as `arrive` does."""
        self.arrive(address)
        try:
            yield
        except BaseException:
            self.leave(address)
            raise

    def arrive(self, address: str) -> None:
        """Take a place for whoever comes from an address. Raises Failure `rate_limited`.

        It is given back with `leave`, once.
        """
        origin = network(address)
        if self._taken[origin] >= self._most.of_address:
            words = f"at most {self._most.of_address} concurrent connections per address"
            raise self._full(RefusalReason.FULL_ADDRESS, words)
        self._count(self._addresses, origin)
        self._taken[origin] += 1

    def leave(self, address: str) -> None:
        """Give a place back."""
        origin = network(address)
        self._taken[origin] -= 1
        if self._taken[origin] <= 0:
            del self._taken[origin]

    def log_in(self, client: Identity) -> None:
        """Count that somebody logs in. Raises Failure `rate_limited` where there is no place."""
        self.check(client)
        self._count(self._people, client.id)

    def check(self, client: Identity) -> None:
        """See that there is a place for a person still. Raises Failure `rate_limited`."""
        if self._open_of(client) >= self._most.of_person:
            words = f"at most {self._most.of_person} concurrent connections per user"
            raise self._full(RefusalReason.FULL_PERSON, words)

    def _full(self, reason: RefusalReason, words: str) -> Failure:
        self._refusals.count(reason, words)
        return Failure(Error(Code.RATE_LIMITED, words, retry_after_ms=FULL_RETRY_MS))

    def _count(self, limits: Limits, who: str) -> None:
        wait_s = limits.take(who, _OPENED, self._monotonic())
        if wait_s:
            failure = limits.refusal(_OPENED, wait_s)
            self._refusals.count(RefusalReason.CONNECT_RATE, failure.error.message)
            raise failure
