"""The figures of benches: what is compared, and when a bar is missed."""

import pytest

from scripts.benches.result import Figure, Result, figures, percentile, table


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
    result = Result("title", 6.0, ("a", "b"), [Figure("late", [2.0], [3.0], bar)])
    assert result.within_bars is within
    assert ("MISSED" in table([result])) is not within
    assert "x1.50" in table([result])


def test_all_benches_are_one_table() -> None:
    one = Result("one", 2.0, ("a", "b"), [Figure("late", [1.0, 1.0], [3.0, 5.0])])
    two = Result("two", 0.5, ("c", "d"), [Figure("size", [1000.0], [900.0], growth=True)])
    lines = table([one, two]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["medians", "compared with", "measured", "change", "bar"]
    assert cells[2:] == [
        ["**one**", "a", "b", "2 x 2 s", ""],
        ["late", "1.00", "4.00", "x4.00", ""],
        ["**two**", "c", "d", "1 x 0.5 s", ""],
        ["size", "1,000", "900.00", "-100.00", ""],
    ]
    assert len({len(line) for line in lines}) == 1


def test_figures_are_read_from_rounds() -> None:
    [figure] = figures([(1 + 2j, 3 + 4j), (5 + 6j, 7 + 8j)], {"imaginary": "imag"})
    assert (figure.name, figure.base, figure.other) == ("imaginary", [2.0, 6.0], [4.0, 8.0])
