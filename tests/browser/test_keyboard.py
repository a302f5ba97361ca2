"""A whole battle by keyboard: the focus is always somewhere, and seen."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page

from protocol.ids import uuid7
from tests.support.battles import fight, strike
from tests.support.browser import Browser, opened
from tests.support.people import PASSWORD, Person, connected
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MOST_TABS = 60
FEW = 5
KINDS = ("quick", "normal", "power", "critical", "ultimate")

WATCH_FOCUS = """
window.lost = [];
let tabbed = false;
let passed = false;
addEventListener("keydown", ({ key }) => {
  tabbed = key === "Tab";
  setTimeout(() => (tabbed = false));
}, true);
addEventListener("focusout", ({ relatedTarget }) => (passed = tabbed && !relatedTarget));
addEventListener("focusin", () => (passed = false));
(function look() {
  const { activeElement } = document;
  if (activeElement === document.body && !passed) lost.push(document.title);
  if (!activeElement.checkVisibility()) lost.push(`hidden: ${activeElement.outerHTML}`);
  requestAnimationFrame(look);
})();
"""
"""Looks in each frame for a focus that went nowhere, but by Tab past the end of the page."""

FOCUSED = """
() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const outlined = outlineStyle !== "none" && parseFloat(outlineWidth) > 1;
  return {
    id: element.dataset.testid ?? element.tagName,
    seen: element.matches(":focus-visible") && outlined,
  };
}
"""


async def focused(page: Page) -> str:
    """What has the focus; it must be seen."""
    found = await page.evaluate(FOCUSED)
    assert found["seen"], found
    return str(found["id"])


async def tab_to(page: Page, selector: str) -> None:
    """Go forward until something has the focus."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        if await page.evaluate("one => document.activeElement.matches(one)", selector):
            await focused(page)
            return
    here = await page.evaluate(FOCUSED)
    raise AssertionError(f"no way from {here} to {selector} by Tab")


async def focus_comes_to(page: Page, selector: str) -> None:
    """Wait until something has got the focus by itself."""
    await page.wait_for_function("one => document.activeElement.matches(one)", arg=selector)
    await focused(page)


def marked(name: str) -> str:
    """The selector of a test id."""
    return f"[data-testid={name}]"


@asynccontextmanager
async def striking_along(server: Server, battle_id: str) -> AsyncIterator[Person]:
    """Somebody else strikes and chats all the while: what is shown changes under the keys."""
    person = await connected(server.url)
    await person.ok("battles.join", battle_id=battle_id)
    await person.ok("battles.chat", battle_id=battle_id, text="I am here too")

    async def strike_some() -> None:
        for _ in range(FEW):  # too few to end it
            await strike(person, battle_id, 1, kind="quick")
            await asyncio.sleep(0.2)

    task = asyncio.ensure_future(strike_some())
    yield person
    task.cancel()
    await person.close()


async def log_in(page: Page) -> None:
    await focus_comes_to(page, marked("username"))
    await page.keyboard.type(f"web{uuid7()[-10:]}")
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.evaluate(WATCH_FOCUS)
    await tab_to(page, marked("register"))
    await page.keyboard.press("Enter")
    await focus_comes_to(page, "h1")


async def fight_on(browser: Browser, friend: Person, battle_id: str) -> None:
    """Strike with each kind, by its key and by its button, until the battle is over.

    As soon as the keys have struck once a friend fights too: alone one loses it where a busy
    machine makes the strikes few.
    """
    page = browser.page

    def struck() -> set[str]:
        events = [e["data"] for e in browser.events if e["name"] == "battles.struck"]
        return {event["kind"] for event in events if event["player_id"] != friend.id}

    await tab_to(page, marked("attack-quick"))
    over = page.get_by_test_id("result")
    helping: asyncio.Future[None] | None = None
    for key, kind in enumerate(KINDS, 1):
        while kind not in struck() and not await over.is_visible():
            # Again, as a person would, while stamina is short or the target has just fallen.
            await page.keyboard.press(str(key))
            await page.wait_for_timeout(60)
        assert kind in struck() or helping is not None
        helping = helping or asyncio.ensure_future(fight(friend, battle_id))
    assert helping is not None
    while not await over.is_visible():
        await page.keyboard.press("Enter")
        await page.wait_for_timeout(40)
    await helping


async def test_a_battle_by_keyboard(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url) as browser:
        page = browser.page
        await log_in(page)
        card = f"{marked('battle-card')}[data-status=waiting][data-difficulty=easy]"
        await page.locator(card).first.wait_for()
        await tab_to(page, f"{card} {marked('join')}")
        await page.keyboard.press("Enter")
        await focus_comes_to(page, f"{marked('battle')} h1")
        battle_id = await page.get_by_test_id("battle").get_attribute("data-battle-id")
        assert battle_id is not None
        async with striking_along(server, battle_id) as friend:
            await tab_to(page, marked("enemy"))
            await page.keyboard.press("ArrowRight")
            assert await focused(page) == "enemy"
            await tab_to(page, marked("chat-input"))
            await page.keyboard.type("12345, for the ford!")
            await page.keyboard.press("Enter")
            await page.get_by_test_id("chat-line").filter(has_text="12345").wait_for()
            assert await focused(page) == "chat-input"
            await page.keyboard.press("Shift+Tab")
            await fight_on(browser, friend, battle_id)
        if await focused(page) != "claim":
            await tab_to(page, marked("claim"))
        await page.keyboard.press("Enter")
        await page.get_by_test_id("claimed").wait_for()
        await focus_comes_to(page, f"{marked('result')} h2")
        await tab_to(page, marked("nav-battles"))
        await page.keyboard.press("Enter")
        await focus_comes_to(page, f"{marked('pool')} h1")
        lost = await page.evaluate("window.lost")
    assert not lost
