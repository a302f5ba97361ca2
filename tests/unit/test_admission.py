"""Places, and how often one may be taken: by a clock that a test turns."""

import pytest

from protocol.endings import RefusalReason
from protocol.errors import Failure
from server.gateway import Identity
from server.gateway.admission import FULL_RETRY_MS, RENEWED_S, Admission, Most
from server.runtime.metrics import Metrics
from server.transport.refusals import Refusals
from tests.support.clock import ManualClock

MOST = Most(of_address=20, of_person=10)
ADA = Identity("ada", "Ada", frozenset())


class Counted(Refusals):
    """Refusals that are looked at."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(Metrics(), clock, 1)
        self.reasons: list[RefusalReason] = []

    def count(self, reason: RefusalReason, why: str = "") -> None:
        """One."""
        super().count(reason, why)
        self.reasons.append(reason)


class Doors:
    """An admission, and how many connections everybody is said to have."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.refusals = Counted(self.clock)
        self.open = 0
        self.admission = Admission(MOST, lambda _: self.open, self.refusals, self.clock.monotonic)

    def come_and_go(self, address: str, times: int) -> None:
        """Open connections that are closed at once."""
        for _ in range(times):
            self.admission.arrive(address)
            self.admission.leave(address)

    def refused(self, address: str) -> int | None:
        """After how many milliseconds who is refused may come again."""
        with pytest.raises(Failure) as refused:
            self.admission.arrive(address)
        assert refused.value.error.code == "rate_limited"
        return refused.value.error.retry_after_ms


def test_places_are_given_back() -> None:
    doors = Doors()
    for n in range(MOST.of_address):
        doors.admission.arrive(f"2001:db8::{n}")
    assert doors.refused("2001:db8::ffff:0:0:1") == FULL_RETRY_MS
    assert doors.admission.taken == MOST.of_address
    doors.admission.leave("2001:db8::1")
    doors.clock.advance(RENEWED_S)
    doors.admission.arrive("2001:db8::2")
    doors.admission.arrive("2001:db8:0:1::")
    assert doors.refusals.reasons == [RefusalReason.FULL_ADDRESS]


def test_an_address_renews_all_it_may_have_in_so_long_and_no_sooner() -> None:
    doors = Doors()
    doors.come_and_go("192.0.2.1", MOST.of_address)
    assert doors.refused("192.0.2.1") == RENEWED_S * 1000 / MOST.of_address + 1
    doors.come_and_go("192.0.2.2", MOST.of_address)
    doors.clock.advance(RENEWED_S / 2)
    doors.come_and_go("192.0.2.1", MOST.of_address // 2)
    assert doors.refused("192.0.2.1")
    assert doors.refusals.reasons == [RefusalReason.CONNECT_RATE] * 2
    assert doors.admission.taken == 0


def test_who_is_refused_takes_no_place() -> None:
    doors = Doors()
    doors.come_and_go("192.0.2.1", MOST.of_address)
    for _ in range(3):
        doors.refused("192.0.2.1")
    assert doors.admission.taken == 0


def test_a_person_has_places_and_a_rate_too() -> None:
    doors = Doors()
    for _ in range(MOST.of_person):
        doors.admission.log_in(ADA)
    with pytest.raises(Failure, match="at most 1 a second, 10 at once per user"):
        doors.admission.log_in(ADA)
    doors.clock.advance(1)
    doors.admission.log_in(ADA)
    doors.open = MOST.of_person
    doors.clock.advance(RENEWED_S)
    with pytest.raises(Failure, match="at most 10 concurrent connections per user"):
        doors.admission.log_in(ADA)
    assert doors.refusals.reasons == [RefusalReason.CONNECT_RATE, RefusalReason.FULL_PERSON]
