"""Reads the project's documents, so that tests can check what they say."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PROTOCOL = ROOT / "PROTOCOL.md"
OPERATING = ROOT / "server" / "README.md"
MEASURING = ROOT / "scripts" / "README.md"
DOCUMENTS = (README, PROTOCOL, OPERATING, MEASURING)

_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) +(.*?) *$", re.MULTILINE)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


class Block(NamedTuple):
    """A fenced block: its language, "" where none is given, and what is in it."""

    language: str
    text: str


def prose(text: str) -> str:
    """A document without its fenced blocks."""
    return _FENCE.sub("", text)


def blocks(text: str, language: str | None = None) -> list[Block]:
    """The fenced blocks of a document, or those of one language."""
    found = [Block(*match.groups()) for match in _FENCE.finditer(text)]
    return [block for block in found if language in (None, block.language)]


def chapter(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above. Raises KeyError."""
    # A comment in a shell's block looks like a heading: blanks of the same length are none.
    outside = _FENCE.sub(lambda match: " " * len(match[0]), text)
    found = [match for match in _HEADING.finditer(outside) if match[2] == heading]
    if len(found) != 1:
        raise KeyError(f"{len(found)} headings {heading!r}")
    (here,) = found
    for match in _HEADING.finditer(outside, here.end()):
        if len(match[1]) <= len(here[1]):
            return text[here.end() : match.start()]
    return text[here.end() :]


def headings(text: str) -> list[str]:
    """The headings of a document, in order."""
    return [match[2] for match in _HEADING.finditer(prose(text))]


def anchors(text: str) -> set[str]:
    """What a link may point to within a document. Source: how GitHub names headings."""
    seen: dict[str, int] = {}
    found = set()
    for heading in headings(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        times = seen.get(slug, 0)
        seen[slug] = times + 1
        found.add(f"{slug}-{times}" if times else slug)
    return found


def links(text: str) -> list[str]:
    """Where a document's links and pictures point to, in order."""
    return [match[1] for match in _LINK.finditer(prose(text))]


def spans(text: str) -> list[str]:
    """What stands between single backticks."""
    return _SPAN.findall(prose(text))


def rows(text: str) -> list[list[str]]:
    """The cells of every row of a text's tables, without their heads and rules."""
    found: list[list[str]] = []
    for line in prose(text).splitlines():
        if re.fullmatch(r"\|[|\s:-]+", line):
            found.pop()  # the line above the rule is the table's head
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip()[1:-1])
            found.append([cell.strip().replace("\\|", "|") for cell in cells])
    return found
