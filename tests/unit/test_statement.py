"""Statements: named parameters become numbered places."""

import pytest

from server.database import Statement


def test_parameters_become_places_in_the_order_they_first_stand() -> None:
    statement = Statement("t", "select :b, :a, :b")
    assert statement.sqlite == "select ?1, ?2, ?1"
    assert statement.postgres == "select $1, $2, $1"
    assert statement.parameters == ("b", "a")
    assert statement.values({"a": 1, "b": 2}) == (2, 1)


def test_a_cast_is_no_parameter() -> None:
    statement = Statement("t", "select now()::date, :at::text")
    assert statement.postgres == "select now()::date, $1::text"


def test_a_name_may_end_in_a_number() -> None:
    statement = Statement("t", "select :a1, :a2")
    assert statement.sqlite == "select ?1, ?2"
    assert statement.values({"a2": "two", "a1": "one"}) == ("one", "two")


@pytest.mark.parametrize("given", [{}, {"a": 1}, {"a": 1, "c": 3}, {"a": 1, "b": 2, "c": 3}])
def test_what_is_missing_or_too_much_is_a_fault(given: dict[str, int]) -> None:
    with pytest.raises(KeyError):
        Statement("t", "select :a, :b").values(given)


def test_a_statement_is_shown_by_its_name() -> None:
    assert repr(Statement("battles.load", "select 1")) == "Statement(battles.load)"
