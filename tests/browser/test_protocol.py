"""/protocol in a browser: without JavaScript, on a telephone, by day and by night."""

import pytest
from playwright.async_api import Browser as Chromium

from tests.browser.test_views import AXE, FIND, PHONE, SCHEMES, WIDE
from tests.support.browser import opened
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
FOLDS = ("Reference: commands and queries", "Domain battles")


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "telephone"])
@pytest.mark.parametrize("scheme", SCHEMES)
async def test_it_is_fit_to_be_read_by_everybody(
    chromium: Chromium, server: Server, size: dict[str, int], scheme: str
) -> None:
    url = f"{server.url}/protocol"
    async with opened(chromium, url, viewport=size, color_scheme=scheme) as browser:
        page = browser.page
        assert await page.evaluate(BEYOND) == 0
        for fold in FOLDS:
            await page.locator("summary").filter(has_text=f"Below {fold}").click()
        await page.evaluate(AXE.read_text())
        assert await page.evaluate(FIND) == []
        assert await page.evaluate(BEYOND) == 0


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["desk", "telephone"])
async def test_the_contents_lead_to_each_message(
    chromium: Chromium, server: Server, size: dict[str, int]
) -> None:
    async with opened(chromium, f"{server.url}/protocol", viewport=size) as browser:
        page = browser.page
        for fold in FOLDS:
            await page.locator("summary").filter(has_text=f"Below {fold}").click()
        entry = page.get_by_role("navigation").get_by_role("link", name="battles.attack")
        await entry.click()
        box = await page.get_by_role("heading", name="battles.attack", exact=True).bounding_box()
        assert box is not None
        assert 0 <= box["y"] < size["height"] / 2


async def test_it_needs_no_javascript_and_leads_to_the_document(
    chromium: Chromium, server: Server
) -> None:
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{server.url}/protocol")
    await page.keyboard.press("Tab")
    assert await page.locator(":focus").inner_text() == "Skip to the content"
    await page.get_by_role("heading", name="Conventions").wait_for()
    async with page.expect_response("**/asyncapi.json") as answer:
        await page.get_by_role("link", name="AsyncAPI document").click()
    assert (await (await answer.value).json())["asyncapi"] == "3.0.0"
    await context.close()
