"""The page, when the rights of whoever looks at it change."""

import pytest
from playwright.async_api import Browser as Chromium

from tests.support.browser import opened
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_who_is_kept_out_reads_why(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url) as browser:
        name = await browser.register()
        await server.command("user", "disable", name)
        await browser.until_told("auth.expired")
        said = browser.page.get_by_test_id("form-error")
        await said.filter(has_text="This account may not come in any more.").wait_for()


async def test_who_gets_another_role_comes_back_by_itself(
    chromium: Chromium, server: Server
) -> None:
    async with opened(chromium, server.url) as browser:
        page = browser.page
        name = await browser.register()
        assert await page.get_by_test_id("own-role").inner_text() == "Player"
        await server.command("user", "role", name, "viewer")
        await browser.until_told("auth.expired")
        await page.locator("[data-testid=connection][data-state=live]").wait_for()
        await page.get_by_test_id("own-role").filter(has_text="Viewer").wait_for()
        # Whoever does not play is brought to what there is to see, and sees no figures of a player.
        await page.locator("[data-view=players]").wait_for()
        assert await page.get_by_test_id("nav-battles").count() == 0
        await page.get_by_test_id("stamina").wait_for(state="hidden")
        await server.command("user", "role", name, "player")
        await page.get_by_test_id("stamina").wait_for()
        # What was said to one person is not there for the next.
        await page.get_by_test_id("notice").first.wait_for()
        await page.get_by_test_id("logout").click()
        await page.get_by_test_id("username").wait_for()
        assert await page.get_by_test_id("notice").count() == 0
