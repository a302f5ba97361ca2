"""/protocol: PROTOCOL.md as a page that any browser shows, with nothing in it but text."""

from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from protocol import spec
from protocol.message import Spec, find, specs
from server.app import DASHBOARD
from server.http import reference

NO_END = {"link", "meta", "br", "hr", "img"}


class Read(HTMLParser):
    """A page, read. Fails where an element is not closed in its order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[tuple[tuple[str, ...], str]] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.elements.append((tag, dict(attrs)))
        if tag not in NO_END:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called by the parser."""
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        """Called by the parser."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Called by the parser."""
        self.text.append((tuple(self.open), data))

    def all(self, attribute: str) -> list[str]:
        """The values of an attribute, in order."""
        return [value for _, given in self.elements if (value := given.get(attribute)) is not None]

    def said(self, within: str) -> str:
        """The text within elements of a kind."""
        return "".join(text for path, text in self.text if within in path)


PAGE = reference.page()
READ = Read(PAGE)


@pytest.mark.parametrize("entry", [s for s in specs() if s.domain != "tests"], ids=lambda s: s.name)
def test_every_message_is_found_in_the_contents_and_in_the_text(entry: Spec) -> None:
    name = entry.name
    slug = name.replace(".", "")
    assert slug in READ.all("id")
    assert f"#{slug}" in READ.all("href")
    assert name in READ.said("nav")
    assert entry.doc.split("\n")[0].replace("`", "") in READ.said("main")


def test_it_says_what_the_registry_says_now(monkeypatch: pytest.MonkeyPatch) -> None:
    attack = find("battles.attack")
    assert attack is not None
    monkeypatch.setattr(attack.type, "__doc__", 'Strike <b>bold</b> & <script src="x">.')
    page = reference.page()
    assert "Strike &lt;b&gt;bold&lt;/b&gt; &amp; &lt;script src=&quot;x&quot;&gt;." in page
    assert [tag for tag, _ in Read(page).elements].count("script") == 1


def test_links_lead_somewhere_and_names_are_there_once() -> None:
    ids = READ.all("id")
    assert [name for name, times in Counter(ids).items() if times > 1] == []
    for href in READ.all("href"):
        if href.startswith("#"):
            assert href[1:] in ids, href
        elif href.startswith("/") and "." in href and href != "/asyncapi.json":
            assert (DASHBOARD / href[1:]).is_file(), href
    assert "/asyncapi.json" in READ.all("href")
    assert "/" in READ.all("href")


def test_it_asks_for_style_sheets_and_the_colours_that_were_chosen() -> None:
    tags = {tag for tag, _ in READ.elements}
    assert not tags & {"style", "iframe", "object", "form", "img"}
    scripts = [given for tag, given in READ.elements if tag == "script"]
    assert scripts == [{"src": "/scheme.js"}]
    assert not [path for path, _ in READ.text if "script" in path]
    assert (DASHBOARD / "scheme.js").is_file()
    for _, given in READ.elements:
        assert "style" not in given
        assert not [name for name in given if name.startswith("on")]
    for href in READ.all("href"):
        assert href.startswith(("#", "/")) and not href.startswith("//"), href


def test_headings_leave_no_level_out() -> None:
    levels = [int(tag[1]) for tag, _ in READ.elements if tag in {f"h{n}" for n in range(1, 7)}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_landmarks_are_there_once_and_have_names() -> None:
    tags = Counter(tag for tag, _ in READ.elements)
    assert (tags["main"], tags["header"], tags["nav"]) == (1, 1, 1)
    assert [given["aria-label"] for tag, given in READ.elements if tag == "nav"] == ["Contents"]
    assert all(given["scope"] == "col" for tag, given in READ.elements if tag == "th")


def test_what_scrolls_in_its_place_is_reached_by_keyboard() -> None:
    wide = [given for _, given in READ.elements if given.get("class") == "table wide"]
    assert wide
    assert all(given["tabindex"] == "0" for given in wide)
    names = [given["aria-labelledby"] for given in wide]
    assert len(set(names)) == len(names)
    assert set(names) <= {given.get("id") for _, given in READ.elements}


def test_nothing_of_the_file_is_lost_but_its_marks_and_its_list_of_contents() -> None:
    assert "generated:" not in PAGE
    said = READ.said("main")
    for line in spec.DOCUMENT.read_text().splitlines():
        if line.startswith("#"):
            assert line.lstrip("# ").replace("`", "") in said, line


HOSTILE = """# A *title* & <b>more</b>

- [away](#x)

## <img src=x onerror=alert(1)>

[click](javascript:alert(1)) ![see](https://example.org/x.png "t")

<script>alert(1)</script>

| a | b"><script> |
| --- | --- |
| `<i>` | <!-- x --> |

```json"><script>
{"a": "</code></pre><script>"}
```

## Same

## Same
"""


def test_what_looks_like_html_is_shown() -> None:
    read = Read(reference.rendered(HOSTILE))
    tags = Counter(tag for tag, _ in read.elements)
    assert not tags.keys() & {"i", "b", "img"}
    assert tags["script"] == 1, "our own"
    assert [given for _, given in read.elements if "onerror" in given] == []
    assert not [href for href in read.all("href") if "javascript" in href]
    assert "<script>alert(1)</script>" in read.said("main")
    assert read.said("title") == "A title & <b>more</b>"
    assert {"same", "same-1"} <= set(read.all("id"))
