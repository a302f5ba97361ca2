"""The figures of benches: what is compared, and when a bar is missed."""

import pytest

from scripts.benches.result import Bar, Figure, Of, Result, at_least, at_most, percentile, table


def test_percentiles_are_values_of_the_list() -> None:
    values = [float(n) for n in range(100)]
    assert (percentile(values, 0.5), percentile(values, 0.99)) == (50.0, 99.0)
    assert percentile([7.0], 0.99) == 7.0


def test_pairs_are_compared_and_not_medians() -> None:
    figure = Figure("late", base=[1.0, 10.0, 100.0], other=[2.0, 10.0, 100.0], bar=at_most(1.0))
    assert figure.change == 1.0
    assert Figure("size", [1.0, 2.0, 3.0], [4.0, 4.0, 4.0], growth=True).change == 2.0


@pytest.mark.parametrize(
    ("bar", "shown", "within"),
    [
        (at_most(1.5), "ok, <= 1.5 ", True),
        (at_most(1.2), "MISSED, <= 1.2 ", False),
        (at_least(1.5), "ok, >= 1.5 ", True),
        (at_least(1.6), "MISSED, >= 1.6 ", False),
        (at_most(3.0, Of.MEASURED), "ok, measured <= 3 ", True),
        (at_most(2.5, Of.MEASURED), "MISSED, measured <= 2.5 ", False),
        (None, "", True),
    ],
)
def test_a_bar_is_held_or_missed(bar: Bar | None, shown: str, within: bool) -> None:
    result = Result("title", 6.0, ("a", "b"), [Figure("late", [2.0], [3.0], bar)])
    assert result.within_bars is within
    assert shown in table([result])
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


def test_others_stand_beside_the_two_that_are_compared() -> None:
    figure = Figure("late", [1.0, 2.0], [3.0, 6.0], beside=([2.0, 4.0], [0.5, 1.0]))
    one = Result("one", 2.0, ("a", "b", "c", "d"), [figure])
    two = Result("two", 2.0, ("a", "b"), [Figure("size", [1.0], [2.0])])
    lines = table([one, two]).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [line[5:] for line in cells] == [
        ["beside", "beside"],
        ["-" * 5 + ":"] * 2,
        ["c", "d"],
        ["x2.00", "x0.50"],
        ["", ""],
        ["", ""],
    ]
