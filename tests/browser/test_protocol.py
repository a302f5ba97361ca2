"""/protocol in a browser: without JavaScript, on a telephone, by day and by night."""

import pytest
from playwright.async_api import Browser as Chromium

from tests.support.browser import opened
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SIZES = {"desk": (1280, 900), "telephone": (360, 740)}
WIDTH = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
async def test_it_fits_and_its_links_lead_to_what_they_name(
    chromium: Chromium, server: Server, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    async with opened(
        chromium,
        f"{server.url}/protocol",
        viewport={"width": width, "height": height},
        color_scheme=scheme,
    ) as browser:
        page = browser.page
        scrolled, seen = await page.evaluate(WIDTH)
        assert scrolled == seen == width
        entry = page.get_by_role("navigation").get_by_role("link", name="battles.attack")
        for fold in ("Reference: commands and queries", "Domain battles"):
            await page.locator("summary").filter(has_text=f"Below {fold}").click()
        await entry.click()
        heading = page.get_by_role("heading", name="battles.attack", exact=True)
        box = await heading.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < height / 2
        scrolled, seen = await page.evaluate(WIDTH)
        assert scrolled == seen


async def test_it_needs_no_javascript_and_leads_to_the_document(
    chromium: Chromium, server: Server
) -> None:
    async with opened(chromium, server.url, java_script_enabled=False) as browser:
        await browser.page.goto(f"{server.url}/protocol")
        await browser.page.keyboard.press("Tab")
        assert await browser.page.locator(":focus").inner_text() == "Skip to the content"
        await browser.page.get_by_role("heading", name="Conventions").wait_for()
        async with browser.page.expect_response("**/asyncapi.json") as answer:
            await browser.page.get_by_role("link", name="AsyncAPI document").click()
        assert (await (await answer.value).json())["asyncapi"] == "3.0.0"
