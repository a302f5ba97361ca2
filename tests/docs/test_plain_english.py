"""The documents keep to plain English: none has a word that stands for a term of the field."""

import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.markdown import MEASURING, OPERATING, README, ROOT, prose

PLAIN: Final = (README, OPERATING, MEASURING)
GENERATED: Final = re.compile(r"<!-- generated: .*?<!-- end -->", re.DOTALL)
CODE: Final = re.compile(r"`[^`\n]+`")
FORMS: Final = {
    "a noun as the subject": r"(?:^|[.:;] |^ *- )(?:who|what)(?:ever)? (?!(?:is|are|to)\b)",
    "the client, the user, any": r"\b(?:who|what)ever\b",
    "the user, the client, all users": r"\b(?:some|any|every|no)body\b",
    "disconnect, evict, reject": r"\b(?:let|lets|letting) go\b",
    "deliver, publish, send": r"\b(?:told|tells|is telling)\b",
    "receive": r"\b(?:hear|hears|heard)\b",
    "pending, in flight": r"\bunder way\b",
    "malformed, unknown": r"\b(?:that|which) (?:is|are) none\b",
    "unauthenticated client": r"\bstrangers?\b",
    "again, new": r"\banew\b",
}
"""What to write, and a pattern of what is not to be written instead."""


def found(text: str) -> list[str]:
    """The lines of a text with such a form, each with what to write."""
    words = CODE.sub("`…`", prose(GENERATED.sub("", text)))
    return [
        f"{better}: {line.strip()}"
        for line in words.splitlines()
        for better, form in FORMS.items()
        if re.search(form, line, re.IGNORECASE)
    ]


@pytest.mark.parametrize("document", PLAIN, ids=lambda d: d.relative_to(ROOT).as_posix())
def test_a_document_uses_the_terms_of_the_field(document: Path) -> None:
    assert found(document.read_text()) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "Who goes on before is let go.",
        "- What it says is done is on disk.",
        "The log names whoever has not logged in.",
        "Nobody hears of it.",
        "More waited than may: 5 strikes are under way.",
        "A packet that is none ends its session too.",
        "| told per CPU s | 1 |",
    ],
)
def test_such_a_sentence_is_found(sentence: str) -> None:
    assert found(sentence)
    assert found(f"`{sentence}`") == []
