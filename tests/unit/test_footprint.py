"""Which statements may change places, read from their SQL, and how they are put together."""

import sys
from types import ModuleType

import pytest

import server.app
import server.cli.entry
from server.auth import store as auth
from server.battles import store as battles
from server.database import ANY_NUMBER, Statement, Work, pruning
from server.database import work as units
from server.database.footprint import clashes, footprint
from server.database.round_trips import Sent, trips
from server.players import store as players
from server.users import store as users

HERE: tuple[ModuleType, ...] = (server.app, server.cli.entry)


def written() -> list[Statement]:
    """All statements of the server that change something."""
    found = {
        value: None
        for name, module in list(sys.modules.items())
        if name.startswith("server.")
        for value in vars(module).values()
        if isinstance(value, Statement) and not value.text.startswith("select")
    }
    return list(found)


def may_change_places(one: Statement, other: Statement, **given: str) -> bool:
    """Whether two may, with the same values or, where one is named in `given`, with others."""
    first = one.values(dict.fromkeys(one.parameters, "a"))
    second = other.values({name: given.get(name, "a") for name in other.parameters})

    def picked(values: tuple[object, ...], places: tuple[int | None, ...]) -> list[object]:
        return [None if place is None else values[place] for place in places]

    return all(
        picked(first, before) != picked(second, after) for before, after in clashes(one, other)
    )


def test_all_statements_of_the_server_are_understood() -> None:
    """One that is not would wait for all before it, and all after it would wait for it."""
    statements = written()
    assert len(statements) > 40
    assert [s.name for s in statements if footprint(s) is None] == []


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (players._SAVE_STAMINA, players._SAVE, {"player_id"}),
        (players._SAVE_STAMINA, battles._SIT, {"player_id"}),
        (battles._SIT, battles._STAND, {"player_id"}),
        (battles._SIT, battles._INSERT, {"battle_id"}),
        (units._APPEND, units._APPEND_NUMBERED, {"room"}),
        (units._APPEND, units._KEEP_REPLY, {"who"}),
        (units._APPEND, units._KEEP_REPLY, {"request_id"}),
        (users._INSERT, players._INSERT, {"player_id"}),
        (users._HOLD, users._REHASH, {"id"}),
        (auth._INSERT, auth._USE, {"token_hash"}),
        (auth._REVOKE, auth._INSERT, {"family"}),
    ],
    ids=lambda value: value.name if isinstance(value, Statement) else "-".join(value),
)
def test_statements_on_different_rows_may_change_places(
    one: Statement, other: Statement, differs: set[str]
) -> None:
    assert not may_change_places(one, other)
    assert may_change_places(one, other, **dict.fromkeys(differs, "b"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (users._INSERT, users._SAVE),  # the address may be the same
        (users._INSERT, users._DELETE),  # a name may become free
        (users._DELETE, players._SAVE),  # the player goes along
        (battles._SIT, battles._STAND_ALL),  # of the same battle
        (auth._REVOKE, auth._REVOKE_ALL),
        (auth._DELETE_EXPIRED, auth._INSERT),
        (units._APPEND, pruning._DELETE_REPLIES),
        (units._APPEND, pruning._DELETE_ALL),
        (players._BOOK_OUT, players._SAVE),
    ],
    ids=lambda value: value.name,
)
def test_statements_that_may_touch_the_same_row_keep_their_order(
    one: Statement, other: Statement
) -> None:
    values = {"id": "b", "token_hash": "b", "who": "b", "room": "a", "player_id": "a"}
    assert not may_change_places(one, other, **values)


FACT = Statement("test.fact", "insert into facts (name, value) values (:name, :value)")
SET = Statement("test.set", "update facts set value = :value where name = :name")
MOVE = Statement("test.move", "update facts set name = :new where name = :name")
EITHER = Statement("test.either", "update facts set value = '' where name = :name or value = :was")
ODD = Statement("test.odd", "with a as (select 1) update facts set value = '' where name = :name")
UPSERT = Statement(
    "test.upsert",
    "insert into facts (name, value) values (:name, :value)"
    " on conflict (name) do update set value = excluded.value",
)


def test_what_is_set_is_no_name_of_a_row() -> None:
    """It has one value before and another one after."""
    assert not may_change_places(MOVE, SET, name="b")
    assert not may_change_places(MOVE, FACT, name="b")


def test_a_row_that_is_replaced_is_known_by_what_it_shares_with_the_new_one_only() -> None:
    by_value = Statement("test.by_value", "delete from facts where value = :value")
    assert not may_change_places(UPSERT, by_value, value="b")
    assert may_change_places(UPSERT, SET, name="b")


def test_with_an_or_nothing_is_known() -> None:
    assert not may_change_places(EITHER, SET, name="b")


def test_what_is_not_understood_keeps_its_place_among_all() -> None:
    assert footprint(ODD) is None
    assert not may_change_places(ODD, players._SAVE, player_id="b")


# ---- round trips


def sent(*units: list[tuple[Statement, str]]) -> list[Sent]:
    """Statements of units, each with the name of the row that it is about."""
    found = []
    for changes in units:
        work = Work("")
        for statement, name in changes:
            work.change(statement, rows=ANY_NUMBER, **dict.fromkeys(statement.parameters, name))
        found += [Sent(work, change) for change in work.changes]
    return found


def order(of: list[Sent]) -> list[tuple[str, list[int]]]:
    """The kinds in their order, with the places of the statements."""
    return [(kind.name, [of.index(each) for each in carried]) for kind, carried in trips(of)]


def test_there_is_one_round_trip_a_kind() -> None:
    of = sent(*[[(FACT, f"a{n}"), (SET, f"b{n}")] for n in range(3)])
    assert order(of) == [("test.fact", [0, 2, 4]), ("test.set", [1, 3, 5])]


def test_kinds_that_come_in_another_order_are_waited_for() -> None:
    """As where a strike is followed by a join: what both do is done once."""
    of = sent([(SET, "a")], [(FACT, "b"), (SET, "c")])
    assert order(of) == [("test.fact", [1]), ("test.set", [0, 2])]


def test_the_same_row_is_changed_in_turns() -> None:
    of = sent([(SET, "a")], [(UPSERT, "a")], [(SET, "a")], [(UPSERT, "b")])
    assert order(of) == [("test.set", [0]), ("test.upsert", [1, 3]), ("test.set", [2])]


def test_a_unit_keeps_its_order() -> None:
    """Other processes rely on it: what is locked first, and what is looked at under that lock."""
    of = sent([(SET, "a"), (UPSERT, "b")], [(UPSERT, "c"), (SET, "d")])
    assert order(of) in (
        [("test.set", [0]), ("test.upsert", [1, 2]), ("test.set", [3])],
        [("test.upsert", [2]), ("test.set", [0, 3]), ("test.upsert", [1])],
    )
