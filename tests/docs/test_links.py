"""Every link in the documents leads to a file and a heading that exist."""

import re
from pathlib import Path

import aiohttp
import pytest

from tests.support.markdown import DOCUMENTS, PROTOCOL, ROOT, anchors, headings, links, spans
from tests.support.server import Server

ADDRESS = re.compile(r"(?:GET )?(/(?:health|metrics|protocol|asyncapi|socket\.io)[\w./]*)")
LARGEST_PICTURE = 300 * 1024


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(document: Path) -> None:
    found = links(document.read_text())
    assert found
    lost = []
    for link in found:
        path, _, anchor = link.partition("#")
        if "://" in path:
            continue
        target = (document.parent / path) if path else document
        there = target.exists() and target.is_relative_to(ROOT)
        if not there or (anchor and anchor not in anchors(target.read_text())):
            lost.append(link)
    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.relative_to(ROOT).as_posix())
def test_no_address_on_the_network_is_needed_to_read_it(document: Path) -> None:
    assert [link for link in links(document.read_text()) if "://" in link] == []


def test_every_chapter_of_the_protocol_is_in_its_contents() -> None:
    text = PROTOCOL.read_text()
    contents = {link[1:] for link in links(text.partition("\n## ")[0])}
    chapters = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert chapters
    assert set(chapters) <= set(headings(text))
    assert anchors("\n".join(f"## {name}" for name in chapters)) == contents


async def test_every_address_of_the_server_answers(server: Server) -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    named = {match[1] for span in spans(text) if (match := ADDRESS.fullmatch(span))}
    assert named >= {"/health/live", "/metrics"}
    async with aiohttp.ClientSession() as http:
        for path in named:
            async with http.get(server.url + path) as answer:
                assert answer.status != 404, path


def test_pictures_are_small() -> None:
    pictures = [
        document.parent / link
        for document in DOCUMENTS
        for link in links(document.read_text())
        if link.endswith(".png")
    ]
    assert pictures
    assert [picture for picture in pictures if picture.stat().st_size > LARGEST_PICTURE] == []
