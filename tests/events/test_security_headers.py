"""What a browser is told not to do: on every answer, whoever has made it; and pages that need none
of it."""

import asyncio
import re
from html.parser import HTMLParser
from pathlib import Path

import aiohttp
import pytest

from server.http.serving import SECURITY_HEADERS
from tests.support.markdown import ROOT
from tests.support.server import Server

DASHBOARD = ROOT / "server" / "dashboard"
POLL = "/socket.io/?EIO=4&transport=polling"
UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
ELSEWHERE = "Origin: https://elsewhere.example\r\n"
LONG = "a" * 70_000

GET: dict[str, int] = {
    "/": 200,
    "/index.html": 200,
    "/main.js": 200,
    "/styles/base.css": 200,
    "/icon.svg": 200,
    "/vendor/socket.io.esm.min.js": 200,
    "/protocol": 200,
    "/asyncapi.json": 200,
    "/metrics": 200,
    "/health": 200,
    "/health/live": 200,
    "/health/ready": 200,
    "/health/startup": 200,
    "/api/health": 200,
    "/api/auth/me": 401,
    "/nothing": 404,
    "/styles": 404,
    "/..%2fconfig.py": 404,
    "/%00": 404,
    "/%ed%a0%80": 404,
    "/broken": 500,
    POLL: 200,
    "/socket.io/": 400,
    f"{POLL}&sid=nobody": 400,
    "/ws": 400,
    "/ws/battle": 404,
    f"/{LONG}": 431,
}
"""Addresses, and the status of their answers."""

OTHER: dict[str, tuple[str, int]] = {
    "HEAD": ("HEAD / HTTP/1.1\r\n", 200),
    "another method": ("POST / HTTP/1.1\r\n", 405),
    "known already": ("GET /asyncapi.json HTTP/1.1\r\nIf-None-Match: *\r\n", 304),
    "a part": ("GET /main.js HTTP/1.1\r\nRange: bytes=0-9\r\n", 206),
    "no part": ("GET /main.js HTTP/1.1\r\nRange: bytes=9999999-\r\n", 416),
    "no body": ("POST /api/auth/login HTTP/1.1\r\n", 400),
    "too large": ("POST /api/auth/login HTTP/1.1\r\nContent-Length: 20000\r\n", 413),
    "preflight": (
        f"OPTIONS /api/auth/login HTTP/1.1\r\nAccess-Control-Request-Method: POST\r\n{ELSEWHERE}",
        400,
    ),
    "preflight of Socket.IO": (f"OPTIONS {POLL} HTTP/1.1\r\n", 204),
    "polling from elsewhere": (f"GET {POLL} HTTP/1.1\r\n{ELSEWHERE}", 403),
    "polling of nobody": (f"POST {POLL}&sid=nobody HTTP/1.1\r\n", 400),
    "too many headers": ("GET / HTTP/1.1\r\n" + "X: y\r\n" * 200, 400),
    "too long a head": ("GET / HTTP/1.1\r\n" + f"X: {'y' * 600}\r\n" * 99 + "y" * 6_000, 431),
    "no HTTP": ("HELLO\r\n", 400),
    "HTTP 2": ("PRI * HTTP/2.0\r\n", 400),
    "another upgrade": ("GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", 200),
    "WebSocket": (f"GET /ws HTTP/1.1\r\n{UPGRADE}{KEY}", 101),
    "Socket.IO": (f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n{UPGRADE}{KEY}", 101),
    "WebSocket of nobody": (
        f"GET /socket.io/?EIO=4&transport=websocket&sid=nobody HTTP/1.1\r\n{UPGRADE}{KEY}",
        400,
    ),
    "WebSocket to nowhere": (f"GET /nothing HTTP/1.1\r\n{UPGRADE}{KEY}", 404),
    "WebSocket from elsewhere": (f"GET /ws HTTP/1.1\r\n{UPGRADE}{KEY}{ELSEWHERE}", 403),
    "WebSocket with a bad token": (
        f"GET /ws HTTP/1.1\r\n{UPGRADE}{KEY}Authorization: Bearer x\r\n",
        401,
    ),
    "WebSocket without a key": (f"GET /ws HTTP/1.1\r\n{UPGRADE}", 400),
    "WebSocket of another version": (
        f"GET /ws HTTP/1.1\r\n{UPGRADE}{KEY.replace('13', '12')}",
        400,
    ),
    "WebSocket by another method": (f"POST /ws HTTP/1.1\r\n{UPGRADE}{KEY}", 405),
}
"""Requests up to the blank line, or without an end, and the status of their answers."""

EVERY = {
    **{path[:50]: (f"GET {path} HTTP/1.1\r\n", status) for path, status in GET.items()},
    **OTHER,
}


async def answered(server: Server, request: str) -> tuple[int, list[tuple[str, str]]]:
    """The status of the answer, and its headers as they came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = "x" * 20_000 if "Content-Length" in request else ""
    end = f"Host: 127.0.0.1:{server.port}\r\n\r\n{body}" if request.endswith("\n") else ""
    writer.write(f"{request}{end}".encode())
    async with asyncio.timeout(10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    status, *lines = head.rstrip().split("\r\n")
    named = ((name.lower(), value) for name, _, value in (line.partition(": ") for line in lines))
    return int(status.split()[1]), list(named)


async def test_every_answer_has_the_security_headers_once(tmp_path: Path) -> None:
    wrong = {}
    async with Server(tmp_path, "tests.support.broken_server") as server:
        for name, (request, expected) in EVERY.items():
            status, headers = await answered(server, request)
            ours = sorted(pair for pair in headers if pair[0] in SECURITY_HEADERS)
            if (status, ours) != (expected, sorted(SECURITY_HEADERS.items())):
                wrong[name] = (status, ours)
    assert wrong == {}


def test_the_policy_lets_nothing_in_that_is_not_the_server_s() -> None:
    policy = SECURITY_HEADERS["content-security-policy"]
    directives = dict(part.split(maxsplit=1) for part in policy.split("; "))
    assert directives.pop("default-src") == "'none'"
    assert directives.pop("require-trusted-types-for") == "'script'"
    assert set(directives.values()) == {"'none'", "'self'"}
    # What is not under `default-src`.
    assert {"base-uri", "form-action", "frame-ancestors", "trusted-types"} <= directives.keys()


class Inline(HTMLParser):
    """Finds what a page has within itself that only `unsafe-inline` would allow."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag: styles, scripts and listeners of its own, and addresses that are scripts."""
        given = dict(attrs)
        inline = tag == "style" or (tag == "script" and "src" not in given)
        own = any(name.startswith("on") or name in ("style", "srcdoc") for name in given)
        program = any((value or "").strip().lower().startswith("javascript:") for _, value in attrs)
        if inline or own or program:
            self.found.append(self.get_starttag_text() or tag)


@pytest.mark.parametrize("path", ["/", "/protocol"])
async def test_no_page_has_a_script_or_a_style_within(server: Server, path: str) -> None:
    async with aiohttp.ClientSession(server.url) as http, http.get(path) as answer:
        page = await answer.text()
    assert "<script" in page
    assert Inline(page).found == []


def test_a_script_within_would_be_found() -> None:
    bad = (
        "<script>1</script>",
        "<p onclick='x'>",
        "<a href=' JavaScript:x'>",
        "<p style='a:b'>",
        "<style>a{}</style>",
    )
    assert [len(Inline(page).found) for page in bad] == [1] * len(bad)


SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|srcdoc|setHTML|\beval\(|new Function\(|javascript:|setTimeout\(\s*[\"'`]"
)


def test_no_text_of_the_page_becomes_html_or_a_script() -> None:
    files = [path for path in DASHBOARD.rglob("*.js") if path.parent.name != "vendor"]
    assert len(files) > 20
    found = {str(path): SINKS.findall(path.read_text()) for path in files}
    assert {path: words for path, words in found.items() if words} == {}
