"""Pages of lists, read off an index: the cursor of the next page names the last row of this one.

A page costs the same however deep it is. Whatever is added or deleted between two pages, no row is
missed or repeated, unless its sort value changes meanwhile.

A list of rows is declared once, in its store, as data:

    _LIST = Listing(
        "bots.page",
        select(bots.c.bot_id, bots.c.name, bots.c.level),
        sorts={
            "name": ascending(bots.c.name_key, bots.c.bot_id),
            "level": descending(bots.c.level, bots.c.bot_id),
        },
        filters={
            "state": bots.c.state == bindparam("state"),
            "search": bots.c.name_key.like(bindparam("search"), escape=ESCAPE),
        },
    )

    async def page(self, sort, state, search, limit, cursor) -> Page[BotView]:
        return await _LIST.page(
            self._reader, _view, limit=limit, cursor=cursor, sort=sort,
            state=state, search=containing(search),
        )

What a client may sort by is an enum of the message, whose values are the keys of `sorts`. A filter
that is None is left out of the statement, so that one that nobody uses costs nothing. A list that
is in memory, in order, has `Cursors` alone.
"""

from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from re import sub
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    FromClause,
    Integer,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    tuple_,
)
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import (
    BinaryExpression,
    BooleanClauseList,
    ColumnElement,
    TextClause,
)

from protocol import codec
from protocol.errors import Failure, invalid
from protocol.pages import MAX_CURSOR, Page
from server.database.read_connection import Reading
from server.database.statement import Row, Statement

T = TypeVar("T", bound=msgspec.Struct)
R = TypeVar("R")

Position = tuple[int | str, ...]
"""The values of a row in the columns that a list is sorted by."""

ESCAPE: Final = "!"
_TAGGED: Final = "~"
"""Begins a cursor. None of those that were given before had it."""
_TAG_BYTES: Final = 4
_BETWEEN: Final = "\0"  # in no text that is stored
_LIMIT: Final = "count"

# One text for both engines: SQLite knows row values, `true` and `false` too.
_DIALECT: Final = DefaultDialect(paramstyle="named", supports_native_boolean=True)


class SortKey(Enum):
    """What a value is that a list is sorted by: the largest integer, or text of any kind."""

    INTEGER = 2**31 - 1
    BIGINT = 2**63 - 1
    TEXT = None


class Cursors:
    """The cursors of one list in one order.

    A cursor is opaque to clients. It holds the place of a row, and a digest of the list, the order
    and the filters: a cursor of something else is refused. It is no secret and is not signed; one
    that a client makes up names another place, and shows no row that the list would not.

    `untagged`: take the cursors of earlier versions too, which are the values alone (`3.250.<id>`),
    so that an update breaks no list that is open.
    """

    def __init__(self, name: str, *keys: SortKey, untagged: bool = False) -> None:
        self._name = name
        self._keys = keys
        self._untagged = untagged

    def place(self, cursor: str | None, **filters: object) -> Position | None:
        """The place that a cursor names, None for the first page.

        Raises Failure `invalid` with the field `cursor`.
        """
        if cursor is None:
            return None
        if cursor.startswith(_TAGGED):
            values = self._opened(cursor, filters)
        elif self._untagged:
            values = cursor.split(".", len(self._keys) - 1)
        else:
            raise _foreign()
        if len(values) != len(self._keys):
            raise _foreign()
        signed = cursor.startswith(_TAGGED)
        return tuple(
            _value(key, value, signed) for key, value in zip(self._keys, values, strict=True)
        )

    def cut(
        self, found: Sequence[R], limit: int, place: Callable[[R], Position], **filters: object
    ) -> tuple[Sequence[R], str | None]:
        """What a page shows of what was found, and its `next`: `found` has `limit` items, and one
        more where another page follows. `place` gives that of an item."""
        shown = found[:limit]
        return shown, self._cursor(place(shown[-1]), filters) if len(found) > limit else None

    def _cursor(self, place: Position, filters: Mapping[str, object]) -> str:
        packed = self._tag(filters) + _BETWEEN.join(map(str, place)).encode()
        cursor = _TAGGED + urlsafe_b64encode(packed).decode().rstrip("=")
        if len(cursor) > MAX_CURSOR:
            raise ValueError(f"{self._name}: a place of {len(packed)} bytes is no cursor")
        return cursor

    def _opened(self, cursor: str, filters: Mapping[str, object]) -> list[str]:
        try:
            text = cursor.removeprefix(_TAGGED).translate(_STANDARD)
            packed = a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
            tag, values = packed[:_TAG_BYTES], packed[_TAG_BYTES:].decode()
        except ValueError:
            raise _foreign() from None
        if tag != self._tag(filters):
            raise _foreign()
        return values.split(_BETWEEN)

    def _tag(self, filters: Mapping[str, object]) -> bytes:
        given = sorted((name, value) for name, value in filters.items() if value is not None)
        return blake2b(codec.encode([self._name, given]), digest_size=_TAG_BYTES).digest()


_STANDARD: Final = str.maketrans("-_+/", "+/  ")


def _value(key: SortKey, value: str, signed: bool) -> int | str:
    if key is SortKey.TEXT:
        return value
    assert key.value is not None
    digits = value.removeprefix("-") if signed else value
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise _foreign()
    number = int(value)
    if abs(number) > key.value:
        raise _foreign()
    return number


def _foreign() -> Failure:
    return invalid("cursor", "must be the `next` of a page of this list, with the same filters")


class Sort(NamedTuple):
    """An order: all columns up, or all down, so that one index serves it."""

    columns: tuple[Column[Any], ...]
    down: bool


def ascending(*columns: Column[Any]) -> Sort:
    """From the least to the greatest: by the first column, among equals by the next."""
    return Sort(columns, down=False)


def descending(*columns: Column[Any]) -> Sort:
    """From the greatest to the least: by the first column, among equals by the next."""
    return Sort(columns, down=True)


def containing(search: str) -> str | None:
    """What `like` takes, with ESCAPE, for a case-folded text that contains another; None for ""."""
    literal = sub(f"[{ESCAPE}%_]", rf"{ESCAPE}\g<0>", search.casefold())
    return f"%{literal}%" if search else None


class _Compiled(NamedTuple):
    """A statement, and the values in its conditions that are always the same."""

    statement: Statement
    constants: Mapping[str, Any]


class Listing:
    """A list of rows that is read page by page.

    `rows` selects them, the columns of every sort among them; parameters of its own conditions must
    always be given (`player_id` of a player's own list). `sorts` are the orders by their names, the
    first one the default. `filters` are conditions by name; the parameter of one, if it has any, is
    named so too, and one without is given as True.

    Raises ValueError for a sort that no index has, except after columns that are `==` one value in
    all rows; one in which two rows may have the same place; one with a column that may be null.
    `most`: how many rows there can be, for a list that is so short that it needs no index.
    """

    def __init__(
        self,
        name: str,
        rows: Select[Any],
        *,
        sorts: Mapping[str, Sort],
        filters: Mapping[str, ColumnElement[bool] | TextClause] | None = None,
        most: int | None = None,
        untagged: bool = False,
    ) -> None:
        self._name = name
        self._rows = rows
        self._sorts = dict(sorts)
        self._filters = dict(filters or {})
        self._always = {*_parameters(rows.whereclause)}
        self._statements: dict[tuple[str, frozenset[str], bool], _Compiled] = {}
        self._cursors: dict[str, Cursors] = {}
        self._places: dict[str, Callable[[Row], Position]] = {}
        for sort, (columns, _) in self._sorts.items():
            self._check(sort, columns, most)
            keys = [_key(column) for column in columns]
            self._cursors[sort] = Cursors(f"{name} {sort}", *keys, untagged=untagged)
            self._places[sort] = _placer(rows, columns)

    async def page(
        self,
        reading: Reading,
        item: Callable[[Row], T],
        *,
        limit: int,
        cursor: str | None,
        sort: str | None = None,
        **filters: object,
    ) -> Page[T]:
        """A page: each of its rows as `item` makes it.

        Raises Failure `invalid` with the field `cursor` for one that is not of this list, this sort
        and these filters; Unavailable.
        """
        by = next(iter(self._sorts)) if sort is None else sort
        cursors = self._cursors[by]
        place = cursors.place(cursor, **filters)
        given = {name: value for name, value in filters.items() if value is not None}
        statement, constants = self._compiled(by, given, begun=place is not None)
        values: dict[str, Any] = {**constants, _LIMIT: limit + 1}
        values |= zip(_names(place or ()), place or (), strict=True)
        values |= {name: given[name] for name in given if name in statement.parameters}
        found = await reading.all(statement, **values)
        shown, further = cursors.cut(found, limit, self._places[by], **filters)
        return Page(tuple(map(item, shown)), further)

    def statement(self, sort: str, filters: Collection[str], *, begun: bool) -> Statement:
        """The statement that reads a page in an order, with some of the filters: the first page,
        or (`begun`) one after a place. Its parameters are the filters', `place_0`, … and `count`.
        """
        return self._compiled(sort, filters, begun=begun).statement

    def _compiled(self, sort: str, filters: Collection[str], *, begun: bool) -> _Compiled:
        kind = (sort, frozenset(filters), begun)
        if kind not in self._statements:
            self._statements[kind] = self._compile(*kind)
        return self._statements[kind]

    def _compile(self, sort: str, filters: frozenset[str], begun: bool) -> _Compiled:
        columns, down = self._sorts[sort]
        conditions = [self._filters[name] for name in sorted(filters - self._always)]
        rows = self._rows.where(*conditions)
        if begun:
            row = tuple_(*columns) if len(columns) > 1 else columns[0]
            places: list[Any] = [bindparam(name) for name in _names(columns)]
            place = tuple_(*places) if len(columns) > 1 else places[0]
            rows = rows.where(row < place if down else row > place)
        rows = rows.order_by(*(c.desc() if down else c.asc() for c in columns))
        compiled = rows.limit(bindparam(_LIMIT)).compile(dialect=_DIALECT)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return _Compiled(Statement(self._name, " ".join(str(compiled).split())), constants)

    def _check(self, sort: str, columns: tuple[Column[Any], ...], most: int | None) -> None:
        where = f"{self._name}, sorted by {sort!r}"
        if any(column.nullable for column in columns):
            raise ValueError(f"{where}: a column may be null, which has no place in an order")
        names = [column.name for column in columns]
        same = {*_compared(self._rows.whereclause)}
        indexes = list(_indexes(columns[0].table))
        if not any(unique and {*index} <= {*same, *names} for index, unique in indexes):
            raise ValueError(f"{where}: two rows may have the same place, end with a unique column")
        if most is None and not any(_serves(index, same, names) for index, _ in indexes):
            raise ValueError(f"{where}: no index has this order")


def _names(columns: Sequence[object]) -> list[str]:
    return [f"place_{number}" for number in range(len(columns))]


def _key(column: Column[Any]) -> SortKey:
    """What is in a column. BigInteger is an Integer too."""
    if isinstance(column.type, BigInteger):
        return SortKey.BIGINT
    if isinstance(column.type, Integer):
        return SortKey.INTEGER
    if isinstance(column.type, Text):
        return SortKey.TEXT
    raise ValueError(f"a list can't be sorted by {column}: it is neither an integer nor text")


def _placer(rows: Select[Any], columns: tuple[Column[Any], ...]) -> Callable[[Row], Position]:
    """What takes the place of a row from what was selected of it. Raises ValueError."""
    selected = [column.key for column in rows.selected_columns]
    positions = [selected.index(column.key) for column in columns]
    return lambda row: tuple([row[position] for position in positions])


def _parts(condition: ColumnElement[bool] | None) -> Iterator[ColumnElement[Any]]:
    """The conditions that all must hold."""
    if isinstance(condition, BooleanClauseList) and condition.operator is operators.and_:
        yield from condition.clauses
    elif condition is not None:
        yield condition


def _compared(condition: ColumnElement[bool] | None) -> Iterator[str]:
    """The columns that are one value in all rows of a list."""
    for part in _parts(condition):
        if isinstance(part, BinaryExpression) and part.operator is operators.eq:
            yield str(part.left.key)


def _parameters(condition: ColumnElement[bool] | None) -> Iterator[str]:
    if condition is not None:
        for part in visitors.iterate(condition):
            if isinstance(part, BindParameter):
                yield part.key


def _indexes(table: FromClause) -> Iterator[tuple[list[str], bool]]:
    """The columns of each index of all rows, and whether it is unique."""
    assert isinstance(table, Table)
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            yield [column.name for column in constraint.columns], True
    for index in table.indexes:
        if index.dialect_options["sqlite"]["where"] is None:
            yield [column.name for column in index.columns], bool(index.unique)


def _serves(index: list[str], same: Collection[str], names: list[str]) -> bool:
    """Whether an index has an order: its columns, after some that are one value in all rows."""
    return any(
        index[start : start + len(names)] == names
        for start in range(len(index))
        if {*index[:start]} <= {*same}
    )
