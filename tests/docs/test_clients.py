"""The clients in README.md and PROTOCOL.md, copied out of them and run as a user would."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.markdown import PROTOCOL, README, ROOT, Block, blocks, chapter
from tests.support.programs import missing, need
from tests.support.server import Server

WITHIN_S: Final = 60
LINES: Final = 16
"""A client that is looked at, not scrolled."""
ADDRESS: Final = "http://127.0.0.1:8000"
INSTALLED: Final = ROOT / "scripts" / "page" / "node_modules"


def client(language: str, document: Path = README, heading: str = "A client") -> tuple[str, str]:
    """A program in a chapter, and what stands there that it prints."""
    found = blocks(chapter(document.read_text(), heading))
    (place,) = [number for number, block in enumerate(found) if block.language == language]
    printed = found[place + 1]
    assert printed.language == ""
    return found[place].text, printed.text


def shape(printed: str) -> list[str]:
    """What was printed, whatever was rolled: each number as 0, and no blow is critical."""
    lucky = re.sub(r"(critical\W+)(true|True|false|False)", r"\1false", printed)
    return re.sub(r"\d+", "0", lucky).split()


def saved(program: str, url: str, path: Path) -> Path:
    """Save a program, with the address of the server. Returns the folder."""
    assert program.count(ADDRESS) == 1
    path.write_text(program.replace(ADDRESS, url))
    return path.parent


async def run(server: Server, program: str, *command: str) -> str:
    """Run a program against a server that listens elsewhere than README.md says."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=saved(program, server.url, Path(command[-1])),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(WITHIN_S):
        printed, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    return printed.decode()


def numbers_agree(printed: str) -> bool:
    """Whether the event and the reply tell of the same blow."""
    event = re.search(r"event \d+ (\d+)", printed)
    reply = re.search(r"damage'?: (\d+)", printed)
    return event is not None and reply is not None and event[1] == reply[1]


async def test_the_client_in_python(own_server: Server, tmp_path: Path) -> None:
    program, shown = client("python")
    printed = await run(own_server, program, sys.executable, str(tmp_path / "strike.py"))
    assert shape(printed) == shape(shown)
    assert numbers_agree(printed)


@pytest.mark.node
@pytest.mark.parametrize(
    ("document", "heading"),
    [(README, "A client"), (PROTOCOL, "Quick start")],
    ids=["readme", "protocol"],
)
async def test_the_client_in_javascript(
    own_server: Server, tmp_path: Path, document: Path, heading: str
) -> None:
    program, shown = client("js", document, heading)
    node = need("node")
    if not (INSTALLED / "socket.io-client").is_dir():
        missing("socket.io-client is not installed: scripts/setup")
    (tmp_path / "node_modules").symlink_to(INSTALLED)
    printed = await run(own_server, program, node, str(tmp_path / "strike.mjs"))
    assert shape(printed) == shape(shown)
    assert numbers_agree(printed)


async def test_the_client_that_comes_back(own_server: Server, tmp_path: Path) -> None:
    program, shown = client("python", PROTOCOL, "Writing a client")
    printed = await run(own_server, program, sys.executable, str(tmp_path / "strike.py"))
    assert shape(printed) == shape(shown)


@pytest.mark.parametrize("language", ["python", "js"])
def test_it_is_read_at_a_glance(language: str) -> None:
    program, shown = client(language)
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= LINES
    assert max(map(len, lines)) <= 100
    assert numbers_agree(shown), "what README.md shows is of one blow"


def test_a_lie_is_found() -> None:
    _, shown = client("python")
    assert shape(shown.replace("stamina", "mana")) != shape(shown)
    assert not numbers_agree(shown.replace("event 5 17", "event 5 18"))


def test_blocks_know_their_language() -> None:
    assert blocks("```js\n1\n```\n\n```\n2\n```\n") == [Block("js", "1\n"), Block("", "2\n")]
