"""Chromium, headless, with the dashboard open."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser as Chromium
from playwright.async_api import ConsoleMessage, Page, async_playwright

from protocol.ids import uuid7
from tests.support.people import PASSWORD
from tests.support.programs import need
from tests.support.server import Server

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOLD_WITHIN_S = 30
TELL_EVENTS = """
document.addEventListener("warroom:event", ({ detail }) => window.tell(detail));
"""


SENT = re.compile(r"^42\d*(\[.*\])$", re.DOTALL)


class Browser:
    """The page, the events that it was told, and what it has sent over its WebSocket.

    `rooms`: those that it has asked to be in, and not left since.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[dict[str, Any]] = []
        self.sent: list[str] = []
        self.rooms: set[str] = set()
        self._changed = asyncio.Event()
        page.on("websocket", lambda socket: socket.on("framesent", self._sent))
        self.expected: tuple[str, ...] = ()
        """What the browser may say of answers that a test asks for."""

    def _sent(self, frame: str | bytes) -> None:
        found = SENT.match(frame) if isinstance(frame, str) else None
        if found is None:
            return
        name, data = json.loads(found[1])
        self.sent.append(name)
        if name == "rooms.join":
            self.rooms.add(data["room"])
        if name == "rooms.leave":
            self.rooms.discard(data["room"])
        self._changed.set()

    async def until(self, seen: Callable[[], object]) -> None:
        """Wait until something is so, of what was told or sent."""
        async with asyncio.timeout(TOLD_WITHIN_S):
            while not seen():
                self._changed.clear()
                await self._changed.wait()

    def tell(self, event: dict[str, Any]) -> None:
        """Called by the page with each event."""
        self.events.append(event)
        self._changed.set()

    def times_told(self, name: str) -> int:
        """How many events of a name the page was told."""
        return sum(event["name"] == name for event in self.events)

    async def until_told(self, name: str, times: int = 1) -> None:
        """Wait until the page was told events of a name so many times."""
        await self.until(lambda: self.times_told(name) >= times)

    def log(self, room: str) -> list[tuple[int, str, Any]]:
        """The numbered events of a room."""
        return [
            (event["meta"]["seq"], event["name"], event["data"])
            for event in self.events
            if event["meta"]["room"] == room and "seq" in event["meta"]
        ]

    async def register(self, username: str | None = None) -> str:
        """Register on the page, as a person would. Returns the name."""
        name = username or f"web{uuid7()[-10:]}"
        await self.fill_in(name, PASSWORD)
        await self.page.get_by_test_id("register").click()
        await self.page.get_by_test_id("pool").wait_for()
        return name

    async def log_in_as_admin(self, server: Server) -> None:
        """Log in as the admin whom the first start has made."""
        await self.fill_in("admin", (server.data_dir / "admin_password").read_text().strip())
        await self.page.get_by_test_id("login").click()
        await self.page.get_by_test_id("pool").wait_for()

    async def fill_in(self, username: str, password: str) -> None:
        """Fill the log-in card in."""
        await self.page.get_by_test_id("username").fill(username)
        await self.page.get_by_test_id("password").fill(password)

    async def go(self, view: str, location: str | None = None) -> None:
        """Go to a view, and wait until it is shown."""
        where = location or f"#/{view}"
        await self.page.evaluate("where => { location.hash = where }", where)
        await self.page.locator(f"main[data-view={view}]").wait_for()


@asynccontextmanager
async def launched() -> AsyncIterator[Chromium]:
    """Chromium, for as many tests as like: each opens windows of its own."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=need("chromium"), args=ARGUMENTS
        )
        yield chromium
        await chromium.close()


@asynccontextmanager
async def opened(chromium: Chromium, url: str, **options: Any) -> AsyncIterator[Browser]:
    """The page at an address, in a window that shares nothing with others.

    What it logs as an error is a failure of the test.
    """
    errors: list[str] = []
    context = await chromium.new_context(**options)
    page = await context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))

    def said(message: ConsoleMessage) -> None:
        # For what is no page, Chromium asks for an icon by itself.
        if message.type == "error" and not message.location["url"].endswith("/favicon.ico"):
            errors.append(message.text)

    page.on("console", said)
    browser = Browser(page)
    await page.expose_function("tell", browser.tell)
    await page.add_init_script(TELL_EVENTS)
    await page.goto(url)
    yield browser
    await context.close()
    # A server that is away is no fault of the page; nor is what it says while the server closes.
    server_s = ("ERR_CONNECTION_REFUSED", "already in CLOSING or CLOSED", *browser.expected)
    faults = [error for error in errors if not any(words in error for words in server_s)]
    assert not faults, faults
