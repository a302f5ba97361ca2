"""Who waits as it is told is never let go; who goes on is."""

import pytest

from protocol.message import RATES, Limit
from server.transport.limits import IN_SPITE, Limits, Pace


@pytest.mark.parametrize("limit", Limit)
def test_who_sends_again_as_soon_as_it_may_is_never_let_go(limit: Limit) -> None:
    pace, limits, now = Pace(), Limits(RATES), 0.0
    for _ in range(10_000):
        wait = limits.take("alice", limit, now)
        if wait:
            pace.refused(limit, wait, now)
        now += wait
    assert not pace.lost


def test_who_is_refused_because_of_others_and_waits_is_never_let_go() -> None:
    """An address that many share: told to wait for a moment, and refused again after it."""
    pace, now = Pace(), 0.0
    for _ in range(10_000):
        pace.refused(Limit.READ, 0.0005, now)
        now += 0.001
    assert not pace.lost


def test_who_goes_on_is_let_go() -> None:
    pace = Pace()
    _, at_once = IN_SPITE
    for n in range(at_once + 2):
        assert not pace.lost, n
        pace.refused(Limit.READ, 1.0, 0.0)
    assert pace.lost


def test_what_comes_now_and_then_in_spite_of_it_is_excused() -> None:
    pace, now = Pace(), 0.0
    rate, _ = IN_SPITE
    for _ in range(10_000):
        pace.refused(Limit.READ, 1.0, now)
        now += 1 / rate
    assert not pace.lost


def test_a_refusal_in_one_class_says_nothing_of_another() -> None:
    pace = Pace()
    pace.refused(Limit.READ, 1000.0, 0.0)
    for n in range(1000):
        pace.refused(Limit.ACTION, 0.05, n * 0.05)
    assert not pace.lost
