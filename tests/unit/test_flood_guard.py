"""Who waits as it is told is never let go; who goes on is."""

import pytest

from protocol.message import RATES, Limit
from server.gateway.rate_limits import IN_SPITE, FloodGuard, Limits


@pytest.mark.parametrize("limit", Limit)
def test_who_sends_again_as_soon_as_it_may_is_never_let_go(limit: Limit) -> None:
    guard, limits, now = FloodGuard(), Limits(RATES), 0.0
    for _ in range(10_000):
        wait = limits.take("alice", limit, now)
        if wait:
            guard.refused(limit, wait, now)
        now += wait
    assert not guard.exceeded


def test_who_is_refused_because_of_others_and_waits_is_never_let_go() -> None:
    """An address that many share: told to wait for a moment, and refused again after it."""
    guard, now = FloodGuard(), 0.0
    for _ in range(10_000):
        guard.refused(Limit.READ, 0.0005, now)
        now += 0.001
    assert not guard.exceeded


def test_who_goes_on_is_let_go() -> None:
    guard = FloodGuard()
    _, at_once = IN_SPITE
    for n in range(at_once + 2):
        assert not guard.exceeded, n
        guard.refused(Limit.READ, 1.0, 0.0)
    assert guard.exceeded


def test_what_comes_now_and_then_in_spite_of_it_is_excused() -> None:
    guard, now = FloodGuard(), 0.0
    rate, _ = IN_SPITE
    for _ in range(10_000):
        guard.refused(Limit.READ, 1.0, now)
        now += 1 / rate
    assert not guard.exceeded


def test_a_refusal_in_one_class_says_nothing_of_another() -> None:
    guard = FloodGuard()
    guard.refused(Limit.READ, 1000.0, 0.0)
    for n in range(1000):
        guard.refused(Limit.ACTION, 0.05, n * 0.05)
    assert not guard.exceeded
