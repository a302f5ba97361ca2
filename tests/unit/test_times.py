"""Moments on the wire."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.times import millis, rfc3339

YEAR_1 = -62_135_596_800_000
END_OF_9999 = 253_402_300_799_999
moments = st.integers(YEAR_1, END_OF_9999)


def test_a_moment_is_written_with_milliseconds_and_z() -> None:
    at = datetime(2026, 11, 23, 1, 39, 2, 123_000, tzinfo=UTC)
    assert rfc3339(round(at.timestamp() * 1000)) == "2026-11-23T01:39:02.123Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(YEAR_1) == "0001-01-01T00:00:00.000Z"
    assert rfc3339(END_OF_9999) == "9999-12-31T23:59:59.999Z"


@given(moments)
def test_a_moment_comes_back_from_its_text(ms: int) -> None:
    assert millis(rfc3339(ms)) == ms


@given(moments, moments)
def test_texts_sort_by_time(one: int, other: int) -> None:
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


@pytest.mark.parametrize("ms", [YEAR_1 - 1, END_OF_9999 + 1])
def test_years_that_do_not_fit_the_form_are_refused(ms: int) -> None:
    with pytest.raises(OverflowError):
        rfc3339(ms)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-23T01:39:02Z",
        "2026-11-23T01:39:02.123",
        "2026-11-23T01:39:02.123456Z",
        "2026-11-23 01:39:02.123Z",
        "2026-11-23T01:39:02.123+00:00",
        "2026-W48-1T01:39:02.123Z",
        "2026-02-30T01:39:02.123Z",
        "2026-11-23T01:39:02.123Z\n",
        "٢٠٢٦-11-23T01:39:02.123Z",  # digits, but not ASCII
    ],
)
def test_any_other_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a moment|day is out of range|month must be"):
        millis(text)
