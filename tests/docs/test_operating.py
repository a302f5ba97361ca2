"""The metrics and log components that the documents name are those of a server."""

import re
from typing import Final

import aiohttp

from tests.support.markdown import MEASURING, OPERATING, README, ROOT, chapter, spans
from tests.support.server import Server

METRIC: Final = re.compile(r"(warroom|process)_[a-z_]+")
COMPONENT: Final = re.compile(r'\blogger\("([a-z]+)"\)')


async def test_every_metric_that_is_named_is_given(server: Server) -> None:
    named = {
        span
        for document in (README, OPERATING, MEASURING)
        for span in spans(document.read_text())
        if METRIC.fullmatch(span)
    }
    assert len(named) > 2
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics") as answer:
        given = {
            line.split()[2] for line in (await answer.text()).splitlines() if line[:6] == "# TYPE"
        }
    assert named <= given


def test_every_component_of_the_log_is_named() -> None:
    there = {
        name
        for path in (ROOT / "server").rglob("*.py")
        for name in COMPONENT.findall(path.read_text())
    }
    assert there <= set(spans(chapter(OPERATING.read_text(), "Logs")))
