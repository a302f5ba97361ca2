"""Which rows a statement reads and writes, as far as its SQL says so.

`postgres.py` sends the statements of a batch in another order than that of its units. Two
statements may change places where they cannot touch the same row: because they name different
tables, or because each names the value of the same column and the values differ. That is read from
the SQL once for each statement. What is not understood is taken to touch everything, which costs
round trips and never an order.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Table, UniqueConstraint

from server.database.statement import Statement
from server.database.tables import metadata

_WORD: Final = re.compile(r"'[^']*'|:?\w+|<=|>=|<>|\|\||\S")
_CLAUSES: Final = frozenset(
    ("from", "where", "order", "group", "limit", "returning", "union", "on", "values", "set", "for")
)
_UNCLEAR: Final = frozenset(("or", "between", "case", "union"))
"""With one of these between its conditions, a `where` says nothing of single columns."""

Tokens = list[Any]  # each a string, or a list: what stands in parentheses
Known = dict[str, int | None]
"""The columns whose values are known: the place of the parameter among the values, or None for
null."""


class How(Enum):
    """What is done to rows. What several statements insert differs, unless an index says no."""

    READ = auto()
    INSERT = auto()
    CHANGE = auto()


class Access(NamedTuple):
    """Rows of a table, or entries of a unique index: all that have the known values."""

    place: str
    how: How
    known: Known


class _Unclear(Exception):
    """SQL of a form that is not known here."""


@cache
def footprint(statement: Statement) -> tuple[Access, ...] | None:
    """All that a statement reads and writes; None where that is not clear."""
    parameters = {f":{name}": place for place, name in enumerate(statement.parameters)}
    try:
        return tuple(_statement(_tree(statement.text), parameters))
    except (_Unclear, IndexError, ValueError):
        return None


Places = tuple[int | None, ...]


@cache
def clashes(one: Statement, other: Statement) -> tuple[tuple[Places, Places], ...]:
    """Where two statements may touch the same row: pairs of places among their values.

    They clash if for one of the pairs all values are the same. A pair without places always does;
    without a pair they never do.
    """
    first, second = footprint(one), footprint(other)
    if first is None or second is None:
        return (((), ()),)
    found: dict[tuple[Places, Places], None] = {}
    for a in first:
        for b in second:
            if a.place == b.place and (a.how is not b.how or a.how is How.CHANGE):
                shared = sorted(a.known.keys() & b.known.keys())
                pair = tuple(a.known[c] for c in shared), tuple(b.known[c] for c in shared)
                found[pair] = None
    return (((), ()),) if ((), ()) in found else tuple(found)


# ---- the SQL


def _tree(text: str) -> Tokens:
    """The words of a statement, those in parentheses in a list of their own."""
    open_lists: list[Tokens] = [[]]
    for word in _WORD.findall(text.lower()):
        if word == "(":
            open_lists.append([])
        elif word == ")":
            inner = open_lists.pop()
            open_lists[-1].append(inner)
        else:
            open_lists[-1].append(word)
    (whole,) = open_lists
    return whole


def _statement(tokens: Tokens, parameters: dict[str, int]) -> Iterator[Access]:
    """What a statement, or a query within one, reads and writes."""
    match tokens:
        case ["insert", "into", table, [*columns], *rest]:
            yield from _insert(_table(table), _names(columns), rest, parameters)
        case ["update", table, "set", *rest]:
            yield from _update(_table(table), rest, parameters)
        case ["delete", "from", table, *rest]:
            known = _conditions(_table(table), table, rest, parameters)
            yield from _delete(_table(table), known)
            yield from _queries(rest, parameters)
        case ["select", *_]:
            yield from _select(tokens, parameters)
        case _:
            raise _Unclear


def _queries(tokens: Tokens, parameters: dict[str, int]) -> Iterator[Access]:
    """What the queries in parentheses read, however deep they stand."""
    for token in tokens:
        if isinstance(token, list):
            if token[:1] == ["select"]:
                yield from _select(token, parameters)
            else:
                yield from _queries(token, parameters)


def _select(tokens: Tokens, parameters: dict[str, int]) -> Iterator[Access]:
    if "union" in tokens or "with" in tokens:
        raise _Unclear
    yield from _queries(tokens, parameters)
    named = _sources(tokens)
    for table, alias in named:
        known = _conditions(table, alias, tokens, parameters) if len(named) == 1 else {}
        yield Access(table.name, How.READ, known)


def _sources(tokens: Tokens) -> list[tuple[Table, str]]:
    """The tables that a query is from, each with the name that it goes by there."""
    words = _clause(tokens, "from")
    found: list[tuple[Table, str]] = []
    while words:
        if isinstance(words[0], list):  # a query, which is looked at by itself
            raise _Unclear
        table, alias, words = _table(words[0]), words[0], words[1:]
        if words[:1] == ["as"]:
            words = words[1:]
        if words and words[0] not in ("join", ","):
            alias, words = words[0], words[1:]
        found.append((table, alias))
        if words[:1] == ["join"] or words[:1] == [","]:
            words = words[1:]
        elif words:
            raise _Unclear
    # What is joined stands behind an `on`, which ends the clause: nothing is known of its columns.
    for place, word in enumerate(tokens):
        if word == "join" and tokens[place + 1] not in [table.name for table, _ in found]:
            found.append((_table(tokens[place + 1]), ""))
    return found


def _insert(
    table: Table, columns: list[str], rest: Tokens, parameters: dict[str, int]
) -> Iterator[Access]:
    yield from _queries(rest, parameters)
    given: Known = {}
    if rest[0] == "values":
        expressions = _split(rest[1], ",")
    elif rest[0] == "select":
        end = next((n for n, word in enumerate(rest) if word == "on"), len(rest))
        query = rest[:end]
        yield from _select(query, parameters)
        expressions = _split(query[1 : _end(query, 1)], ",")
        if len(named := _sources(query)) == 1:
            given = _conditions(*named[0], query, parameters)
    else:
        raise _Unclear
    # A column that is not named is null: no table of ours has defaults.
    known: Known = dict.fromkeys(column.name for column in table.columns)
    for column, expression in zip(columns, expressions, strict=True):
        place = _parameter(expression, parameters)
        if place is not None:
            known[column] = place
        elif len(expression) == 1 and expression[0] in given:
            known[column] = given[expression[0]]
        elif expression != ["null"]:
            del known[column]
    updates = "update" in rest
    if updates:
        # The row that is there is like the new one in the columns that conflict, and in no other.
        same = _names(rest[rest.index("conflict") + 1])
        known = {column: known[column] for column in same if column in known}
    yield Access(table.name, How.CHANGE if updates else How.INSERT, known)
    yield from _entries(table, known, None)
    yield from _parents(table, known)


def _update(table: Table, rest: Tokens, parameters: dict[str, int]) -> Iterator[Access]:
    assigned = _assigned(_clause(["set", *rest], "set"))
    known = _conditions(table, table.name, rest, parameters)
    for column in assigned:
        known.pop(column, None)  # it has one value before and another one after
    yield Access(table.name, How.CHANGE, known)
    yield from _entries(table, known, assigned)
    if assigned & {column.name for column in table.columns if column.foreign_keys}:
        yield from _parents(table, {})
    yield from _queries(rest, parameters)


def _delete(table: Table, known: Known) -> Iterator[Access]:
    yield Access(table.name, How.CHANGE, known)
    yield from _entries(table, known, None)
    for child in metadata.tables.values():
        for key in child.foreign_keys:
            if key.column.table is table:
                place = known.get(key.column.name)
                yield from _delete(child, {} if place is None else {key.parent.name: place})


def _entries(table: Table, known: Known, assigned: set[str] | None) -> Iterator[Access]:
    """The entries of unique indexes that change with rows, or with some columns of them."""
    for columns, condition in _unique(table):
        if assigned is not None and not assigned & {*columns, *re.findall(r"\w+", condition)}:
            continue
        entry = {column: known[column] for column in columns if column in known}
        if None not in entry.values():  # null is never the same as null
            yield Access(_index(table, columns), How.CHANGE, entry)


def _parents(table: Table, known: Known) -> Iterator[Access]:
    """The rows that must be there for those of a table."""
    for key in table.foreign_keys:
        place = known.get(key.parent.name)
        yield Access(
            _index(key.column.table, (key.column.name,)),
            How.READ,
            {} if place is None else {key.column.name: place},
        )


@cache
def _unique(table: Table) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The columns of each unique index, and which rows are in it."""
    found = [(table.primary_key.columns, "")]
    found += [
        (constraint.columns, "")
        for constraint in table.constraints
        if isinstance(constraint, UniqueConstraint)
    ]
    found += [
        (index.columns, str(index.dialect_options["postgresql"]["where"]))
        for index in table.indexes
        if index.unique
    ]
    return tuple((tuple(column.name for column in columns), where) for columns, where in found)


def _index(table: Table, columns: Sequence[str]) -> str:
    return f"{table.name} ({', '.join(columns)})"


# ---- its parts


def _table(name: object) -> Table:
    if not isinstance(name, str) or name not in metadata.tables:
        raise _Unclear
    return metadata.tables[name]


def _names(tokens: Tokens) -> list[str]:
    return [str(name) for (name,) in _split(tokens, ",")]


def _split(tokens: Tokens, at: str) -> list[Tokens]:
    parts: list[Tokens] = [[]]
    for token in tokens:
        if token == at:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _end(tokens: Tokens, start: int) -> int:
    """Where the clause ends that begins there."""
    for place in range(start, len(tokens)):
        if isinstance(tokens[place], str) and tokens[place] in _CLAUSES:
            return place
    return len(tokens)


def _clause(tokens: Tokens, word: str) -> Tokens:
    """What stands in a clause; nothing where there is none."""
    if word not in tokens:
        return []
    start = tokens.index(word) + 1
    return tokens[start : _end(tokens, start)]


def _assigned(tokens: Tokens) -> set[str]:
    return {str(part[0]) for part in _split(tokens, ",")}


def _parameter(tokens: Tokens, parameters: dict[str, int]) -> int | None:
    """The place of the parameter that an expression is."""
    match tokens:
        case [str(name)]:
            return parameters.get(name)
        case ["cast", [str(name), "as", str()]]:
            return parameters.get(name)
    return None


def _conditions(table: Table, alias: str, tokens: Tokens, parameters: dict[str, int]) -> Known:
    """The columns that a `where` wants to have the value of a parameter."""
    words = _clause(tokens, "where")
    if any(isinstance(word, str) and word in _UNCLEAR for word in words):
        return {}
    known: Known = {}
    for condition in _split(words, "and"):
        match condition:
            case [str(column), "=", *expression] if column in table.columns:
                pass
            case [str(name), ".", str(column), "=", *expression] if name == alias:
                pass
            case _:
                continue
        place = _parameter(expression, parameters)
        if place is not None:
            known[column] = place
    return known
