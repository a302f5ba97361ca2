"""Rate limits, on a clock that the test turns."""

from typing import Any

import pytest

from protocol.errors import Code, Failure
from protocol.message import ADDRESS_RATES, RATES, Limit
from server.gateway import rate_limits as module
from server.gateway.rate_limits import LOOKED_AT, MAX_BUCKETS, BucketPair, Limits
from server.transport.limits import Bucket

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


@pytest.mark.parametrize("limit", Limit)
def test_an_address_has_room_for_many_people(limit: Limit) -> None:
    """A hundred, but of those who fail to log in: passwords are mistyped by few at a time."""
    people = 3 if limit is Limit.LOGIN else 100
    rate, burst = ADDRESS_RATES[limit]
    assert rate >= people * RATES[limit][0]
    assert burst >= people * RATES[limit][1]


@pytest.mark.parametrize(("scale", "at_once"), [(1.0, 10), (0.5, 5), (100.0, 1000), (0.01, 1)])
def test_a_scale_multiplies_all_rates(scale: float, at_once: int) -> None:
    limits = Limits({Limit.RARE: (1.0, 10)}, scale=scale)
    for _ in range(at_once):
        limits.check("here", Limit.RARE, 0.0)
    assert refused(limits, 0.0, "here", Limit.RARE) == int(1000 / scale) + 1


def test_a_refusal_says_what_was_counted() -> None:
    limits = Limits({Limit.RARE: (1.0, 1)}, whose=" per address")
    limits.check("here", Limit.RARE, 0.0)
    with pytest.raises(Failure) as caught:
        limits.check("here", Limit.RARE, 0.0)
    assert caught.value.error.message == (
        "rate limit exceeded: at most 1 a second, 1 at once per address"
    )


def test_what_is_given_back_can_be_taken_again_and_no_more() -> None:
    limits = Limits(RATES)
    limits.give_back("alice", Limit.ACTION)  # nothing was taken: there is nothing to give
    spend(limits, 0.0)
    limits.give_back("alice", Limit.ACTION)
    limits.check("alice", Limit.ACTION, 0.0)
    refused(limits, 0.0)
    for _ in range(3 * BURST):
        limits.give_back("alice", Limit.ACTION)
    spend(limits, 0.0)
    refused(limits, 0.0)


def test_any_number_of_names_takes_bounded_room() -> None:
    limits = Limits(RATES)
    for n in range(10 * MAX_BUCKETS):
        limits.check(f"n{n}", Limit.LOGIN, 0.0)
    assert len(limits._buckets) == MAX_BUCKETS


def test_to_make_room_looks_at_few_buckets_though_all_are_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = 0
    level = Bucket.level

    def counted(*given: Any) -> float:
        nonlocal looks
        looks += 1
        return level(*given)

    limits = Limits(RATES)
    for n in range(MAX_BUCKETS):
        limits.check(f"n{n}", Limit.LOGIN, 0.0)
    monkeypatch.setattr(Bucket, "level", counted)
    for n in range(1000):
        limits.check(f"m{n}", Limit.LOGIN, 0.0)
    assert looks <= 1000 * (LOOKED_AT + 1)


def test_who_is_used_up_stays_so_whoever_makes_up_names() -> None:
    limits = Limits(RATES)
    spend(limits, 0.0, "alice", Limit.LOGIN)
    for n in range(3 * MAX_BUCKETS):
        limits.check(f"n{n}", Limit.LOGIN, 0.0)
    refused(limits, 0.0, "alice", Limit.LOGIN)


def test_two_buckets_give_a_token_each_or_none() -> None:
    person, address = Bucket(1.0, 5, 0.0), Bucket(1.0, 2, 0.0)
    both = BucketPair(person, address)
    assert [both.take(0.0) for _ in range(3)] == [True, True, False]
    assert person.level(0.0) == 3
    assert address.level(0.0) == 0
    assert both.take(1.0)
    assert person.level(1.0) == 3


def test_two_buckets_hold_no_more_than_their_bursts() -> None:
    both = BucketPair(Bucket(1.0, 3, 0.0), Bucket(10.0, 30, 0.0))
    assert [both.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_that_was_forgotten_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BUCKETS", 1)
    limits = Limits(RATES)
    held = BucketPair(limits.bucket("alice", Limit.ACTION, 0.0), Bucket(1.0, 9, 0.0))
    assert held.take(0.0)
    limits.check("bob", Limit.ACTION, 0.0)
    assert held.forgotten
    assert not held.take(0.0)
