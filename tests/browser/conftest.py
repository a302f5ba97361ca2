"""One Chromium for all tests of the page."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser as Chromium

from tests.support.browser import launched


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Chromium]:
    """Chromium. Tests that use it run on the session's loop, as it does."""
    async with launched() as started:
        yield started
