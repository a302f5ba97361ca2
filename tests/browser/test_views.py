"""Every view: nothing serious found by axe, no sideways scrolling on a phone, in both schemes."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium
from playwright.async_api import ViewportSize

from tests.browser.test_one_battle import take_a_seat
from tests.contracts import VIEWS
from tests.support.browser import Browser, opened
from tests.support.server import ROOT, Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = ROOT / "scripts/page/node_modules/axe-core/axe.min.js"
SCHEMES = ("light", "dark")
WIDE: ViewportSize = {"width": 1280, "height": 860}
PHONE: ViewportSize = {"width": 360, "height": 740}
BAD = ("serious", "critical")
# What lies on a picture axe leaves to the eye: the grid of the ground is taken away for it.
FIND = """
async () => {
  document.body.style.backgroundImage = "none";
  const { violations } = await axe.run(document);
  return violations.map(({ id, impact, nodes }) =>
    [id, impact, ...nodes.map(({ target, failureSummary }) => `${target}: ${failureSummary}`)]);
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def admin(chromium: Chromium, server: Server) -> AsyncIterator[Browser]:
    """The page, open for the admin, who may see everything."""
    async with opened(chromium, server.url, viewport=WIDE, reduced_motion="reduce") as browser:
        await browser.page.evaluate(AXE.read_text())
        await browser.log_in_as_admin(server)
        yield browser


async def look(browser: Browser, *sizes: ViewportSize) -> None:
    """What is shown now must be fit to be used by everybody."""
    page = browser.page
    found: list[Any] = []
    for scheme in SCHEMES:
        await page.emulate_media(color_scheme=scheme)
        for size in sizes or (WIDE, PHONE):
            await page.set_viewport_size(size)
            found += [[scheme, *each] for each in await page.evaluate(FIND) if each[1] in BAD]
    await page.set_viewport_size(PHONE)
    beyond = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    await page.set_viewport_size(WIDE)
    assert not found
    assert beyond <= 0, f"{beyond} px too wide on a phone"


async def test_all_views_are_looked_at(admin: Browser) -> None:
    """A new one is added to its contract."""
    names = "async () => (await import('/views.js')).VIEWS.map(({ name }) => name)"
    assert set(await admin.page.evaluate(names)) == VIEWS.keys()


async def test_logging_in(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url, viewport=WIDE, reduced_motion="reduce") as browser:
        await browser.page.evaluate(AXE.read_text())
        await browser.page.get_by_text("New here?").click()
        await browser.page.get_by_test_id("register").click()
        await look(browser)


async def test_the_reference(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, f"{server.url}/protocol", viewport=WIDE) as browser:
        await browser.page.evaluate(AXE.read_text())
        await look(browser, WIDE)  # it is long: one size is enough


@pytest.mark.parametrize("view", [view for view, shown in VIEWS.items() if shown is not None])
async def test_a_view(admin: Browser, view: str) -> None:
    await admin.go(view)
    await admin.page.get_by_test_id(str(VIEWS[view])).first.wait_for()
    await look(admin)


async def test_a_battle_and_its_end(admin: Browser) -> None:
    page = admin.page
    await admin.go("battles")
    await take_a_seat(page)
    await page.get_by_test_id("enemies").get_by_role("radio").first.wait_for()
    await page.get_by_test_id("chat-input").fill("<img src=x onerror=alert(1)>")
    await page.keyboard.press("Enter")
    await page.get_by_test_id("chat-line").filter(has_text="<img").wait_for()
    await look(admin)
    await page.get_by_test_id("battle-status").click()
    while not await page.get_by_test_id("result").is_visible():
        await page.keyboard.press("5")
        await page.wait_for_timeout(40)
    await look(admin)


async def test_people_and_one_of_them(admin: Browser) -> None:
    page = admin.page
    await admin.go("users")
    await page.get_by_test_id("user-link").first.wait_for()
    await look(admin)
    await page.get_by_test_id("create").click()
    await page.get_by_test_id("confirm").click()
    await look(admin)
    await page.keyboard.press("Escape")
    await page.get_by_test_id("user-link").first.click()
    await page.get_by_test_id("user-state").wait_for()
    await look(admin)
    await page.get_by_test_id("delete").click()
    await look(admin)
    await page.keyboard.press("Escape")


async def test_the_menu_and_the_connection(admin: Browser) -> None:
    page = admin.page
    await page.set_viewport_size(PHONE)
    await page.get_by_test_id("menu").click()
    await page.get_by_test_id("nav-battles").wait_for()
    await page.get_by_test_id("connection").get_by_role("button").first.click()
    await page.get_by_test_id("connection-details").wait_for()
    await look(admin)


async def test_where_there_is_nothing(admin: Browser) -> None:
    await admin.page.evaluate("location.hash = '#/nowhere'")
    await admin.page.get_by_test_id("problem").wait_for()
    await look(admin)
