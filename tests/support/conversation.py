"""A conversation between a client and a server, as PROTOCOL.md writes it down.

`→` is sent, `←` is received, `✗` is what happens to the connection. `<name>` stands for a value
that differs each time, the same name for the same value; `…` for what is not shown.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WORDS: Final = re.compile(r"\S.*")

FORMS: Final[dict[str, re.Pattern[str]]] = {
    **dict.fromkeys(("ada", "battle", "epoch"), ID),
    "time": MOMENT,
    "access token": re.compile(r"[\w-]+\.[\w-]+\.[\w-]+"),
    "refresh token": re.compile(r"wrr_[\w-]{20,}"),
    **dict.fromkeys(("name", "type"), WORDS),
}
"""What a text in the place of a `"<name>"` looks like."""

ANEW: Final = {"time"}
"""Stands for another value at each place."""

_SPAN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|<([\w ]+)>|…')
_REST: Final = "…"
_BARE: Final = "<>"
_NAMED: Final = re.compile(r"<([\w ]+)>")

Known = dict[str, Any]
"""What the names stand for."""


class Line(NamedTuple):
    """One line of a conversation: its mark, its words, and the JSON after them."""

    mark: str
    words: str
    objects: list[Any]


def lines(text: str) -> Iterator[Line]:
    """The lines of a conversation. What is indented goes on with the line above."""
    for entry in re.findall(r"^\S.*\n(?:[ \t]+\S.*\n)*", text, re.MULTILINE):
        mark, _, rest = " ".join(entry.split()).partition(" ")
        start = re.search(r"[{\[]", rest)
        words = rest[: start.start()] if start else rest
        yield Line(mark, words.strip(), list(objects(rest[len(words) :])))


def objects(text: str) -> Iterator[Any]:
    """JSON values that stand one after the other."""

    def plain(found: re.Match[str]) -> str:
        if found[1] is not None:
            return json.dumps({_BARE: found[1]})
        return f'"{_REST}"' if found[0] == _REST else found[0]

    text = re.sub(rf'"{_REST}"(?=\s*}})', f'"{_REST}": 0', _SPAN.sub(plain, text))
    while text := text.strip():
        value, end = json.JSONDecoder().raw_decode(text)
        yield value
        text = text[end:]


def filled(value: Any, known: Known) -> Any:
    """A value with what its names stand for. Raises KeyError for a name that is not known."""
    match value:
        case {"<>": name}:
            return known[name]
        case dict():
            return {key: filled(one, known) for key, one in value.items()}
        case list():
            return [filled(one, known) for one in value]
        case str() if named := _NAMED.search(value):
            return value.replace(named[0], str(known[named[1]]))
    return value


def agree(told: Any, seen: Any, known: Known) -> Known | None:
    """What the names stand for after this, None where what is seen is not what was told."""
    match told:
        case {"<>": name}:
            return None if isinstance(seen, str) else _bound(name, seen, known)
        case str() if named := _NAMED.search(told):
            return _text(told, named, seen, known)
        case dict() if isinstance(seen, dict):
            names = told.keys() - {_REST}
            if not names <= seen.keys() or (_REST not in told and names != seen.keys()):
                return None
            found: Known | None = known
            for name in sorted(names):
                found = None if found is None else agree(told[name], seen[name], found)
            return found
        case list() if isinstance(seen, list):
            return _list(told, seen, known)
    return known if type(told) is type(seen) and told == seen else None


def _text(told: str, named: re.Match[str], seen: Any, known: Known) -> Known | None:
    """A text with one name in it, which may stand between other words."""
    before, after = told[: named.start()], told[named.end() :]
    if not isinstance(seen, str) or not (seen.startswith(before) and seen.endswith(after)):
        return None
    value = seen[len(before) : len(seen) - len(after)]
    return _bound(named[1], value, known) if FORMS[named[1]].fullmatch(value) else None


def _bound(name: str, seen: Any, known: Known) -> Known | None:
    if name in ANEW:
        return known
    if name in known:
        return known if known[name] == seen else None
    return {**known, name: seen}


def _list(told: list[Any], seen: list[Any], known: Known) -> Known | None:
    if not told:
        return None if seen else known
    first, *rest = told
    if first == _REST:
        tries = (_list(rest, seen[skipped:], known) for skipped in range(len(seen) + 1))
        return next((found for found in tries if found is not None), None)
    found = agree(first, seen[0], known) if seen else None
    return None if found is None else _list(rest, seen[1:], found)
