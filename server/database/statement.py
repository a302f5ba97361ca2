"""SQL with a name: written once with `:parameters`, for SQLite and for PostgreSQL."""

import re
from typing import Any, Final

_PARAMETER: Final = re.compile(r"(?<!:):([a-z_][a-z0-9_]*)")


class Statement:
    """One statement of a store.

    `sqlite` and `postgres` are its texts with numbered places; `parameters` names these in order.
    """

    __slots__ = ("name", "parameters", "postgres", "sqlite")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.parameters = tuple(dict.fromkeys(_PARAMETER.findall(text)))
        places = {parameter: n for n, parameter in enumerate(self.parameters, 1)}
        self.sqlite = _PARAMETER.sub(lambda m: f"?{places[m[1]]}", text)
        self.postgres = _PARAMETER.sub(lambda m: f"${places[m[1]]}", text)

    def values(self, given: dict[str, Any]) -> tuple[Any, ...]:
        """The values in the order of their places. Raises KeyError where one is missing."""
        if len(given) != len(self.parameters):
            odd = set(given) ^ set(self.parameters)
            raise KeyError(f"{self.name}: {', '.join(sorted(odd))}")
        return tuple([given[parameter] for parameter in self.parameters])

    def __repr__(self) -> str:
        return f"Statement({self.name})"
