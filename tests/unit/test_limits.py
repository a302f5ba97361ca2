"""Rate limits, on a clock that the test turns."""

import pytest

from protocol.errors import Code, Failure
from protocol.message import RATES, Limit
from server.gateway import limits as module
from server.gateway.limits import Limits

RATE, BURST = RATES[Limit.ACTION]


def spend(limits: Limits, now: float, who: str = "alice", limit: Limit = Limit.ACTION) -> None:
    """Take all that may be taken at once."""
    for _ in range(RATES[limit][1]):
        limits.check(who, limit, now)


def refused(limits: Limits, now: float, who: str = "alice", limit: Limit = Limit.ACTION) -> int:
    """The wait that a refusal names."""
    with pytest.raises(Failure) as caught:
        limits.check(who, limit, now)
    assert caught.value.error.code is Code.RATE_LIMITED
    assert caught.value.error.retry_after_ms is not None
    return caught.value.error.retry_after_ms


@pytest.mark.parametrize("limit", Limit)
def test_a_burst_passes_and_then_no_more(limit: Limit) -> None:
    limits = Limits(RATES)
    spend(limits, 0.0, limit=limit)
    refused(limits, 0.0, limit=limit)


def test_who_waits_as_long_as_told_passes() -> None:
    limits = Limits(RATES)
    spend(limits, 0.0)
    wait = refused(limits, 0.0)
    limits.check("alice", Limit.ACTION, wait / 1000)
    refused(limits, wait / 1000)


def test_a_refusal_costs_nothing() -> None:
    limits = Limits(RATES)
    spend(limits, 0.0)
    waits = {refused(limits, 0.0) for _ in range(100)}
    assert waits == {int(1000 / RATE) + 1}


def test_tokens_grow_with_time_up_to_the_burst() -> None:
    limits = Limits(RATES)
    spend(limits, 0.0)
    for _ in range(int(RATE)):
        limits.check("alice", Limit.ACTION, 1.0)
    refused(limits, 1.0)
    spend(limits, 1_000_000.0)
    refused(limits, 1_000_000.0)


def test_people_and_classes_have_buckets_of_their_own() -> None:
    limits = Limits(RATES)
    spend(limits, 0.0)
    limits.check("bob", Limit.ACTION, 0.0)
    limits.check("alice", Limit.READ, 0.0)


def test_full_buckets_are_forgotten_and_empty_ones_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_BUCKETS", 3)
    limits = Limits(RATES)
    spend(limits, 0.0, "alice")
    for n in range(10):
        limits.check(f"n{n}", Limit.ACTION, 0.9)
        limits.check(f"n{n}", Limit.ACTION, 1.0)
    spend(limits, 1.9, "bob")
    limits.check("new", Limit.ACTION, 1.9)
    assert len(limits._buckets) == 3
    for _ in range(int(1.9 * RATE)):
        limits.check("alice", Limit.ACTION, 1.9)
    refused(limits, 1.9, "alice")
    refused(limits, 1.9, "bob")
