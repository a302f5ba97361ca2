"""SQL with a name: written once with `:parameters`, for SQLite and for PostgreSQL."""

import re
from collections.abc import Callable
from operator import attrgetter, itemgetter
from typing import Any, Final

_PARAMETER: Final = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")
_RETURNING: Final = re.compile(r"\breturning\b")
_INSERT: Final = re.compile(r"insert(?!.*\b(?:on conflict|returning)\b)")

Row = tuple[Any, ...]


def _picker(
    get: "type[attrgetter[Any] | itemgetter[Any]]", parameters: tuple[str, ...]
) -> Callable[[Any], Row]:
    """What gives the values of parameters in their order: a tuple, however many there are."""
    if len(parameters) > 1:
        return get(*parameters)
    each = [get(parameter) for parameter in parameters]
    return lambda given: tuple([pick(given) for pick in each])


class Statement:
    """One statement of a store.

    `text` is what PostgreSQL is sent; where SQLite is served better by another one, that stands
    in `sqlite`. `sqlite` and `postgres` are the texts with numbered places; `parameters` names
    these in order. `returning`: whether one that changes something gives rows back.
    """

    __slots__ = ("_pick", "fields", "marked", "name", "parameters", "postgres", "returning",
                 "sqlite", "text", "unless_there")  # fmt: skip

    def __init__(self, name: str, text: str, *, sqlite: str | None = None) -> None:
        self.name = name
        self.text = text
        self.parameters = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        self._pick: Callable[[dict[str, Any]], Row] = _picker(itemgetter, self.parameters)
        self.fields: Callable[[object], Row] = _picker(attrgetter, self.parameters)
        """The fields of a record that are named as the parameters, in the order of their places."""
        places = {parameter: n for n, parameter in enumerate(self.parameters, 1)}
        self.sqlite = _PARAMETER.sub(lambda m: f"?{places[m[1]]}", sqlite or text)
        self.postgres = _PARAMETER.sub(lambda m: f"${places[m[1]]}", text)
        self.returning = _RETURNING.search(text) is not None
        mark = f"${len(places) + 1}::bigint"
        self.marked = f"{self.postgres}{',' if self.returning else ' returning'} {mark}"
        """The text for PostgreSQL with one place more, whose value every row that it touches gives
        back: so that the rows of many executions in one round trip can be told apart."""
        self.unless_there = (
            f"{self.postgres} on conflict do nothing returning {mark}"
            if _INSERT.match(text)
            else None
        )
        """The same for what inserts, where a row that is there already is no error, which would
        not say in which of the executions it was."""

    def values(self, given: dict[str, Any]) -> Row:
        """The values in the order of their places. Raises KeyError where one is missing."""
        if len(given) != len(self.parameters):
            odd = set(given) ^ set(self.parameters)
            raise KeyError(f"{self.name}: {', '.join(sorted(odd))}")
        return self._pick(given)

    def __repr__(self) -> str:
        return f"Statement({self.name})"
