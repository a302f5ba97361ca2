"""The shell: where views are, who may see them, and what stays when one is left."""

import pytest
from playwright.async_api import Browser as Chromium

from tests.support.browser import opened
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

LINKS = "[...document.querySelectorAll('[data-testid=nav] ul a')].map(({ hash }) => hash)"
GROUND = "getComputedStyle(document.body).backgroundColor"


async def test_back_and_forward_between_views(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, f"{server.url}#/players") as browser:
        page = browser.page
        await browser.fill_in(name := "Wanderer", "correct horse")
        await page.get_by_test_id("register").click()
        # The address that was asked for is where one comes to.
        heading = page.locator("main h1")
        await heading.filter(has_text="Players").wait_for()
        assert await page.title() == "Players · Warroom"
        assert await page.get_by_test_id("player-name").inner_text() == name
        await page.get_by_test_id("nav-player").click()
        await heading.filter(has_text="Your player").wait_for()
        await page.get_by_test_id("nav-battles").click()
        await heading.filter(has_text="Battles").wait_for()
        await page.go_back()
        await heading.filter(has_text="Your player").wait_for()
        assert await page.title() == "Your player · Warroom"
        assert await heading.evaluate("h1 => h1 === document.activeElement")
        current = page.locator("[data-testid=nav] [aria-current=page]")
        assert await current.inner_text() == "Your player"
        await page.go_forward()
        await heading.filter(has_text="Battles").wait_for()
        await page.reload()
        await heading.filter(has_text="Battles").wait_for()


async def test_what_a_view_has_taken_is_given_back(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url) as browser:
        page = browser.page
        await browser.register()
        await page.get_by_test_id("battle-card").first.wait_for()
        await browser.until(lambda: any(room.startswith("listing:") for room in browser.rooms))
        await browser.go("players")
        await browser.until(lambda: any(room.startswith("profile:") for room in browser.rooms))
        await browser.go("player")

        def shells_own() -> bool:
            return {room.partition(":")[0] for room in browser.rooms} == {"player", "players"}

        await browser.until(shells_own)


async def test_views_of_others_are_not_shown(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url) as browser:
        page = browser.page
        await browser.register()
        assert await page.evaluate(LINKS) == ["#/battles", "#/player", "#/players"]
        for location in ("users", "users/0", "connections"):
            await page.evaluate("where => { location.hash = where }", f"#/{location}")
            await page.get_by_test_id("problem").filter(has_text="not for your account").wait_for()
            assert not {"users.list", "users.get", "connections.list"} & set(browser.sent)
            await browser.go("player")


async def test_the_colours_follow_the_system_or_a_choice(
    chromium: Chromium, server: Server
) -> None:
    async with opened(chromium, server.url, color_scheme="light") as browser:
        page = browser.page
        light = await page.evaluate(GROUND)
        await page.emulate_media(color_scheme="dark")
        dark = await page.evaluate(GROUND)
        assert light != dark
        await page.get_by_test_id("choose-light").click()
        assert await page.evaluate(GROUND) == light
        await page.reload()
        assert await page.evaluate(GROUND) == light
        await browser.register()
        await page.get_by_test_id("choose-dark").click()
        await page.emulate_media(color_scheme="light")
        assert await page.evaluate(GROUND) == dark
        await page.get_by_test_id("choose-system").click()
        assert await page.evaluate(GROUND) == light


async def test_the_menu_of_a_narrow_page(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url, viewport={"width": 360, "height": 740}) as browser:
        page = browser.page
        await browser.register()
        menu, nav = page.get_by_test_id("menu"), page.get_by_test_id("nav")
        assert not await nav.is_visible()
        await menu.click()
        assert await menu.get_attribute("aria-expanded") == "true"
        await page.get_by_test_id("nav-players").focus()
        await page.keyboard.press("Escape")
        await nav.wait_for(state="hidden")
        assert await menu.evaluate("menu => menu === document.activeElement")
        await menu.click()
        await page.get_by_test_id("nav-players").click()
        await page.get_by_test_id("players").wait_for()
        assert not await nav.is_visible()
