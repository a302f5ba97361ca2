"""Declaring settings: a field of a frozen class with its default, range, unit and words.

Each domain has a class of its own; `server/config.py` loads, checks and documents all of them. The
docstring of what reads a value says what it must be.

Not pydantic-settings: of the six problems of a start with three wrong values, a SECRET_KEY that is
too short and two malformed lines in `.env`, version 2.16 named three, by the names of fields; the
fourth only once those were right, with the secret in the message. It has no word for where a value
comes from, and importing it takes 9 MB beside 66 MB, and 80 ms of CPU beside 1,030.
"""

import ipaddress
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, Final

from server.runtime.log import parse as parse_levels


def integer(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number in a range."""

    def parse(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a whole number, {least} to {most}"
    return parse


def number(least: float, most: float) -> Callable[[str], float]:
    """Reads a number in a range."""

    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a number, {least:g} to {most:g}"
    return parse


def one_of(*words: str) -> Callable[[str], str]:
    """Reads one of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    parse.__doc__ = f"one of {', '.join(words)}"
    return parse


def yes_or_no(text: str) -> bool:
    """true or false"""
    return _YES_OR_NO[text.lower()]


_YES_OR_NO: Final = {"true": True, "1": True, "yes": True, "on": True} | {
    "false": False,
    "0": False,
    "no": False,
    "off": False,
}


def text(given: str) -> str:
    """text"""
    return given


def words(text: str) -> tuple[str, ...]:
    """words, separated by commas"""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def log_levels(text: str) -> str:
    """DEBUG, INFO, WARNING or ERROR; behind it `component=level`, separated by commas"""
    parse_levels(text)
    return text


def networks(text: str) -> tuple[str, ...]:
    """IP addresses or networks, separated by commas"""
    return tuple(str(ipaddress.ip_network(word)) for word in words(text))


def path(text: str) -> Path:
    """a path"""
    return Path(text)


def setting(
    parse: Callable[[str], Any],
    default: Any,
    doc: str,
    *,
    unit: str = "",
    alias: str | None = None,
    secret: bool = False,
) -> Any:
    """A field: what reads its text, its default, and what it is, in words.

    `alias` is a second name in the environment; a `secret` is never shown.
    """
    metadata = {"parse": parse, "doc": doc, "unit": unit, "alias": alias, "secret": secret}
    return field(default=default, metadata=metadata, repr=not secret)
