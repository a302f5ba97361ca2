"""PROTOCOL.md, the settings and the errors of clients are written with the words of the field."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from server.cli.settings import documentation
from tests.support.markdown import PROTOCOL, ROOT, prose

WRONG: Final = {
    "whoever, whatever": r"\b(whoever|whatever)\b",
    "a user, client or caller": r"\b(somebody|nobody|anybody|everybody|someone|persons?|people)\b",
    "disconnect, evict, reject": r"\b(let go|lets? .{1,20} go|gives? up on)\b",
    "publish, deliver, receive": r"\b(told|tells?|hears?|heard)\b",
    "nouns as subjects": r"(^|[.:;] )(who|what) (is|was|has|does|goes|may|can|breaks|waits)\b",
    "the caller's": r"\b(one's|the own)\b",
    "pending, in flight": r"\b(under way|waits? to be)\b",
}
"""A form, by the words that replace it."""

CODE: Final = re.compile(r"`[^`]*`|\]\([^)]*\)")
"""Names of the wire, and where links lead: they are what they are."""

RAISED: Final = {
    *("busy", "conflict", "forbidden", "invalid", "not_found", "refused", "unauthenticated"),
    *("unavailable", "Error", "Failure", "Unavailable"),
}
"""The functions and classes of protocol/errors.py and server/database that carry a message."""

SOURCES: Final = [
    path for folder in ("server", "protocol") for path in (ROOT / folder).rglob("*.py")
]


def wrong_words(text: str) -> list[str]:
    """The forms of WRONG in a text, without its code."""
    plain = CODE.sub("", prose(text))
    return [
        f"{found[0].strip()!r}: {better}"
        for better, form in WRONG.items()
        for found in re.finditer(form, plain, re.IGNORECASE | re.MULTILINE)
    ]


def messages(path: Path) -> list[str]:
    """The texts that a source passes to what is raised for a client."""
    return [
        part.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in RAISED
        for argument in node.args
        for part in ast.walk(argument)
        if isinstance(part, ast.Constant) and isinstance(part.value, str)
    ]


def test_the_protocol_is_in_plain_words() -> None:
    assert wrong_words(PROTOCOL.read_text()) == []


def test_the_settings_are_in_plain_words() -> None:
    assert wrong_words(documentation()) == []


def test_the_errors_of_clients_are_in_plain_words() -> None:
    found = [text for path in SOURCES for text in messages(path)]
    assert len(found) > 50
    assert {text: wrong for text in found if (wrong := wrong_words(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "Whoever has not logged in is let go.",
        "what is sent is read. What is wrong is told.",
        "at most 100 connections of one person",
        "the token is somebody else's",
        "Take one's reward.",
        "how many battles are under way",
    ],
)
def test_a_riddle_is_found(text: str) -> None:
    assert wrong_words(text)
