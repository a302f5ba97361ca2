"""Chromium, headless, with the dashboard open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Page, async_playwright

from tests.support.people import PASSWORD
from tests.support.programs import need

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


class Browser:
    """The page, and the events that it was told."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()

    def tell(self, event: dict[str, Any]) -> None:
        """Called by the page with each event."""
        self.events.append(event)
        self._changed.set()

    def times_told(self, name: str) -> int:
        """How many events of a name the page was told."""
        return sum(event["name"] == name for event in self.events)

    async def until_told(self, name: str, times: int = 1) -> None:
        """Wait until the page was told events of a name so many times."""
        async with asyncio.timeout(TOLD_WITHIN_S):
            while self.times_told(name) < times:
                self._changed.clear()
                await self._changed.wait()

    def log(self, room: str) -> list[tuple[int, str, Any]]:
        """The numbered events of a room."""
        return [
            (event["meta"]["seq"], event["name"], event["data"])
            for event in self.events
            if event["meta"]["room"] == room and "seq" in event["meta"]
        ]

    async def register(self, username: str) -> None:
        """Register on the page, as a person would."""
        await self.page.get_by_test_id("username").fill(username)
        await self.page.get_by_test_id("password").fill(PASSWORD)
        await self.page.get_by_test_id("register").click()
        await self.page.get_by_test_id("pool").wait_for()


@asynccontextmanager
async def opened(url: str, profile: Path, **options: Any) -> AsyncIterator[Browser]:
    """The page at an address. What it logs as an error is a failure of the test."""
    errors: list[str] = []
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            profile, executable_path=need("chromium"), args=ARGUMENTS, **options
        )
        page = context.pages[0]
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        browser = Browser(page)
        await page.expose_function("tell", browser.tell)
        await page.add_init_script(TELL_EVENTS)
        await page.goto(url)
        yield browser
        await context.close()
    # A server that is away is no fault of the page.
    faults = [error for error in errors if "ERR_CONNECTION_REFUSED" not in error]
    assert not faults, faults
