"""A cursor is of one list, order and set of filters; a list without an index is not declared."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
)

from protocol.errors import Code, Failure
from protocol.pages import MAX_CURSOR
from server.database import ESCAPE, Cursors, Listing, SortKey, ascending, containing, descending

bots = Table(
    "bots",
    MetaData(),
    Column("bot_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("gold", BigInteger, nullable=False),
    Column("seen_at", BigInteger),
    Column("leased", Boolean, nullable=False),
    Index("ix_bots_level_bot_id", "level", "bot_id"),
    Index("ix_bots_owner_name_bot_id", "owner", "name", "bot_id"),
    Index("ix_bots_seen_at_bot_id", "seen_at", "bot_id"),
    Index("ix_bots_gold", "gold"),
    Index("ix_bots_leased", "name", sqlite_where=Column("leased", Boolean)),
)
BOTS = Cursors("bots.list", SortKey.INTEGER, SortKey.BIGINT, SortKey.TEXT)

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=8)
places = st.tuples(
    st.integers(-(2**31) + 1, 2**31 - 1), st.integers(-(2**63) + 1, 2**63 - 1), texts
)
filters = st.dictionaries(st.sampled_from("ab"), st.none() | texts)


def cursor_of(cursors: Cursors, place: tuple[int | str, ...], **filters: object) -> str:
    shown, cursor = cursors.cut([place, place], 1, lambda one: one, **filters)
    assert shown == [place]
    assert cursor is not None
    return cursor


def refused(cursors: Cursors, cursor: str, **filters: object) -> None:
    with pytest.raises(Failure) as raised:
        cursors.place(cursor, **filters)
    assert (raised.value.error.code, raised.value.error.field) == (Code.INVALID, "cursor")


@settings(deadline=None)
@given(places, filters)
def test_a_cursor_is_the_place_it_was_made_of(
    place: tuple[int, int, str], filters: dict[str, str | None]
) -> None:
    cursor = cursor_of(BOTS, place, **filters)
    assert cursor.isascii()
    assert len(cursor) <= MAX_CURSOR
    assert BOTS.place(cursor, **filters) == place


@settings(deadline=None)
@given(places, filters, filters)
def test_a_cursor_with_other_filters_is_refused(
    place: tuple[int, int, str], mine: dict[str, str | None], others: dict[str, str | None]
) -> None:
    def real(of: dict[str, str | None]) -> dict[str, str | None]:
        return {name: value for name, value in of.items() if value is not None}

    cursor = cursor_of(BOTS, place, **mine)
    if real(mine) == real(others):
        assert BOTS.place(cursor, **others) == place
    else:
        refused(BOTS, cursor, **others)


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = cursor_of(BOTS, (1, 2, "x"))
    keys = (SortKey.INTEGER, SortKey.BIGINT, SortKey.TEXT)
    refused(Cursors("pets.list", *keys), cursor)
    refused(Cursors("pets.list", *keys, untagged=True), cursor)


@settings(deadline=None)
@given(places, st.data())
def test_a_cursor_that_was_changed_is_refused_or_names_a_place(
    place: tuple[int, int, str], data: st.DataObject
) -> None:
    cursor = cursor_of(BOTS, place)
    at = data.draw(st.integers(0, len(cursor) - 1))
    changed = cursor[:at] + data.draw(st.characters(exclude_categories=("Cs",))) + cursor[at + 1 :]
    try:
        found = BOTS.place(changed)
    except Failure as e:
        assert e.error.field == "cursor"
    else:
        assert found is not None
        assert [type(value) for value in found] == [int, int, str]
        assert abs(int(found[0])) < 2**31
        assert abs(int(found[1])) < 2**63


@pytest.mark.parametrize("cursor", ["~", "~A", "~AAAAAAAA", "~+/==", "~é", "1.2.x", "x", ""])
def test_what_was_never_given_is_refused(cursor: str) -> None:
    refused(BOTS, cursor)


def test_cursors_of_before_are_taken_where_there_were_any() -> None:
    old = Cursors("bots.list", SortKey.INTEGER, SortKey.TEXT, untagged=True)
    assert old.place("3.a.b") == (3, "a.b")
    for cursor in ("3", "x.a", "-3.a", f"{2**31}.a", "٣.a", " 3.a", "~AAAAAAAA"):
        refused(old, cursor)


def test_the_first_and_the_last_page_have_no_cursor() -> None:
    assert BOTS.place(None) is None
    assert BOTS.cut([], 2, lambda one: one) == ([], None)
    assert BOTS.cut([1, 2], 2, lambda one: (one,)) == ([1, 2], None)


def test_a_place_too_long_for_a_cursor_is_a_fault_and_not_a_cursor_that_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bots\.list"):
        cursor_of(BOTS, (1, 2, "x" * 100))


def listing(*columns: Column[object], own: bool = False, most: int | None = None) -> Listing:
    rows = select(bots)
    if own:
        rows = rows.where(bots.c.owner == bindparam("owner"))
    return Listing("bots.page", rows, sorts={"it": ascending(*columns)}, most=most)


def test_a_sort_has_an_index() -> None:
    listing(bots.c.bot_id)
    listing(bots.c.level, bots.c.bot_id)
    listing(bots.c.name, bots.c.bot_id, own=True)
    for columns in ((bots.c.name, bots.c.bot_id), (bots.c.gold, bots.c.bot_id)):
        with pytest.raises(ValueError, match="no index"):
            listing(*columns)
        listing(*columns, most=50)


def test_a_sort_ends_with_something_unique() -> None:
    for columns in ((bots.c.level,), (bots.c.gold,), (bots.c.name,)):
        with pytest.raises(ValueError, match="same place"):
            listing(*columns, most=50)


def test_a_sort_has_no_column_that_may_be_null_or_is_of_another_kind() -> None:
    with pytest.raises(ValueError, match="null"):
        listing(bots.c.seen_at, bots.c.bot_id)
    with pytest.raises(ValueError, match="neither an integer nor text"):
        listing(bots.c.leased, bots.c.bot_id, most=50)


def test_a_statement_has_the_filters_that_are_given_and_no_others() -> None:
    page = Listing(
        "bots.page",
        select(bots.c.bot_id, bots.c.level),
        sorts={
            "id": ascending(bots.c.bot_id),
            "level": descending(bots.c.level, bots.c.bot_id),
        },
        filters={
            "search": bots.c.name.like(bindparam("search"), escape=ESCAPE),
            "free": bots.c.leased.is_(False),
        },
    )
    assert page.statement("id", [], begun=False).text == (
        "SELECT bots.bot_id, bots.level FROM bots ORDER BY bots.bot_id ASC LIMIT :count"
    )
    assert page.statement("level", ["free", "search"], begun=True).text == (
        "SELECT bots.bot_id, bots.level FROM bots"
        " WHERE bots.leased IS false AND bots.name LIKE :search ESCAPE '!'"
        " AND (bots.level, bots.bot_id) < (:place_0, :place_1)"
        " ORDER BY bots.level DESC, bots.bot_id DESC LIMIT :count"
    )
    assert page.statement("id", ["free"], begun=True) is page.statement("id", ["free"], begun=True)
    with pytest.raises(KeyError):
        page.statement("id", ["owner"], begun=False)


def test_a_search_is_for_the_text_itself() -> None:
    assert containing("") is None
    assert containing("50%_!A") == "%50!%!_!!a%"
