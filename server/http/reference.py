"""PROTOCOL.md as a page: what stands between its marks is written anew from the registry.

It is plain HTML that needs no script: the one it has recalls the colours that were chosen on the
dashboard. What the file holds is text: HTML in it would be shown, not done.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from protocol import spec

_MARK: Final = re.compile(r"^<!--.*?-->\n", re.MULTILINE)
_NOT_IN_A_SLUG: Final = re.compile(r"[^\w\- ]")
_TAG: Final = re.compile(r"<[^>]*>")
_NARROW: Final = 4
"""Columns that fit on a telephone. A table with more can be scrolled in its place."""

_PAGE: Final = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="alternate" href="/asyncapi.json" type="application/json" title="AsyncAPI">
<script src="/scheme.js"></script>
<link rel="stylesheet" href="/styles/tokens.css">
<link rel="stylesheet" href="/styles/base.css">
<link rel="stylesheet" href="/styles/protocol.css">
</head>
<body class="reference">
<a class="to-content" href="#main">Skip to the content</a>
<header class="reference-head">
<a class="home" href="/">Warroom</a>
<a href="/asyncapi.json">AsyncAPI document</a>
</header>
<nav class="contents" aria-label="Contents">
{contents}
</nav>
<main id="main" class="prose" tabindex="-1">
{body}
</main>
</body>
</html>
"""


class Heading(NamedTuple):
    """A heading of the page. `level` is 1 for the title, and no level is left out."""

    level: int
    slug: str
    html: str


def page() -> str:
    """The whole page. Raises OSError where PROTOCOL.md is not there."""
    return rendered(spec.render(spec.DOCUMENT.read_text(encoding="utf-8")))


def rendered(markdown: str) -> str:
    """The page of a document."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    parser.add_render_rule("table_open", _table_open)
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    tokens = _without_contents(parser.parse(_MARK.sub("", markdown)))
    _measure_tables(tokens)
    headings = list(_headings(tokens, parser))
    return _PAGE.format(
        title=_TAG.sub("", headings[0].html) if headings else "Protocol",
        contents="".join(_contents(headings[1:])),
        body=parser.renderer.render(tokens, parser.options, {}),
    )


def _slug(text: str) -> str:
    """The name of a heading, as GitHub makes it: links in the file point there."""
    return _NOT_IN_A_SLUG.sub("", text.lower()).replace(" ", "-")


def _headings(tokens: list[Token], parser: MarkdownIt) -> Iterator[Heading]:
    """Name every heading, and close up levels that are left out: who goes from heading to heading
    would take them for something missed."""
    open_levels: list[int] = []
    taken: dict[str, int] = {}
    for start, inline, end in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if start.type != "heading_open":
            continue
        written = int(start.tag[1])
        while open_levels and open_levels[-1] >= written:
            open_levels.pop()
        open_levels.append(written)
        level = len(open_levels)
        slug = _slug(inline.content.replace("`", ""))
        taken[slug] = count = taken.get(slug, -1) + 1
        slug = f"{slug}-{count}" if count else slug
        start.tag = end.tag = f"h{level}"
        start.attrSet("id", slug)
        assert inline.children is not None
        yield Heading(level, slug, parser.renderer.render(inline.children, parser.options, {}))


def _without_contents(tokens: list[Token]) -> list[Token]:
    """The file lists its own contents before its first section; the page has them beside it."""
    first = next((n for n, t in enumerate(tokens) if t.type == "bullet_list_open"), None)
    section = next((n for n, t in enumerate(tokens) if t.tag == "h2"), None)
    if first is None or section is None or first > section:
        return tokens
    last = next(n for n, t in enumerate(tokens) if n > first and t.type == "bullet_list_close")
    return [*tokens[:first], *tokens[last + 1 :]]


def _measure_tables(tokens: list[Token]) -> None:
    """Note at each table how many columns it has."""
    table: Token | None = None
    for token in tokens:
        if token.type == "table_open":
            table = token
            table.meta["columns"] = 0
        elif token.type == "th_open" and table is not None:
            token.attrSet("scope", "col")
            table.meta["columns"] += 1


def _table_open(_: RendererHTML, tokens: Sequence[Token], at: int, *__: object) -> str:
    if tokens[at].meta["columns"] <= _NARROW:
        return '<div class="table"><table>\n'
    above = (token for token in reversed(tokens[:at]) if token.type == "heading_open")
    heading = next(above, None)
    name = f'aria-labelledby="{heading.attrGet("id")}"' if heading else 'aria-label="Wide table"'
    # What can be scrolled must be reachable from the keyboard, and have a name of its own.
    return f'<div class="table wide" role="region" {name} tabindex="0"><table>\n'


def _contents(headings: Sequence[Heading]) -> Iterator[str]:
    """Links to the headings, those below another one folded away."""
    if not headings:
        return
    yield "<ul>\n"
    top = headings[0].level
    starts = [n for n, heading in enumerate(headings) if heading.level == top]
    for start, end in zip(starts, [*starts[1:], len(headings)], strict=True):
        heading, below = headings[start], headings[start + 1 : end]
        yield f'<li><a href="#{heading.slug}">{heading.html}</a>'
        if below:
            yield f"<details><summary><span>Below {heading.html}</span></summary>\n"
            yield from _contents(below)
            yield "</details>"
        yield "</li>\n"
    yield "</ul>\n"
