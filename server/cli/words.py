"""What is printed: lists, and what is wrong."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from server.runtime import streams


class CliError(Exception):
    """What a user can put right: each problem is one line. `code`: 2 for what was given, else 1."""

    def __init__(self, *problems: str, code: int = 1) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems
        self.code = code


def complain(*problems: str) -> None:
    """Say what is wrong, a line each, whatever the words hold. Never raises."""
    for problem in problems:
        streams.complain(f"warroom: {' '.join(problem.split())}")


def sure(what: str) -> None:
    """Ask on the terminal whether to go on. Raises CliError for anything but yes."""
    if not sys.stdin.isatty():
        raise CliError(f"{what}: give --yes where no terminal is there to ask on", code=2)
    if input(f"{what}. Type yes to go on: ").strip() != "yes":
        raise CliError("nothing was changed")


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with columns that stand below each other."""
    lines = [heads, *rows]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def listing(rows: Sequence[Mapping[str, Any]], heads: Mapping[str, str], *, as_json: bool) -> str:
    """A table of what the heads name, or all of each row as a line of JSON."""
    if as_json:
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return table(list(heads.values()), [[_cell(row[name]) for name in heads] for row in rows])


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)
