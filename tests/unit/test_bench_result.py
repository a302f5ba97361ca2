"""The figures of benches: what is compared, and when a bar is missed."""

import pytest

from scripts.benches.result import Figure, Result, percentile


def test_percentiles_are_values_of_the_list() -> None:
    values = [float(n) for n in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50.0, 99.0)
    assert percentile([7.0], 0.99) == 7.0


def test_pairs_are_compared_and_not_medians() -> None:
    figure = Figure("late", base=[1.0, 10.0, 100.0], other=[2.0, 10.0, 100.0], bar=1.0)
    assert figure.change == 1.0
    assert Figure("size", [1.0, 2.0, 3.0], [4.0, 4.0, 4.0], growth=True).change == 2.0


@pytest.mark.parametrize(("bar", "within"), [(1.5, True), (1.2, False), (None, True)])
def test_a_bar_is_held_or_missed(bar: float | None, within: bool) -> None:
    result = Result("title", ("a", "b"), [Figure("late", [2.0], [3.0], bar)])
    assert result.within_bars is within
    assert ("MISSED" in result.table()) is not within
    assert "x1.50" in result.table()
