"""The pool on the page: what it costs, what it follows, and what is new."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium

from protocol.auth import Login
from protocol.client import log_in
from tests.support.battles import easy_battle, strike
from tests.support.browser import Browser, opened
from tests.support.people import PASSWORD, Person, connected
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

MANY = 60
HANDS = 6
PAGE = 24
IN_SIGHT = """
() => [...document.querySelectorAll("[data-testid=battle-card]")].filter((card) => {
  const { top, bottom } = card.getBoundingClientRect();
  return bottom > 0 && top < innerHeight;
}).map((card) => `listing:${card.dataset.battleId}`)
"""

WATCH_SHIFTS = """
() => {
  window.shifts = [];
  const place = ({ x, y }) => `${x},${y}`;
  const moved = ({ node, previousRect, currentRect }) =>
    `${node?.className}: ${place(previousRect)} to ${place(currentRect)}`;
  new PerformanceObserver((list) => {
    for (const { value, hadRecentInput, sources } of list.getEntries())
      if (!hadRecentInput && value > 0.0005) shifts.push([value, ...sources.map(moved)]);
  }).observe({ type: "layout-shift" });
}
"""
"""What moves by itself, but for a label that grows in its corner."""

TWO_FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with many battles under way. Nobody sits in them: they stay so for minutes."""
    async with Server(tmp_path_factory.mktemp("crowded")) as server:
        hands = await asyncio.gather(*(connected(server.url) for _ in range(HANDS)))
        for i in range(MANY):
            await begin_one(hands[i % HANDS])
        await asyncio.gather(*(hand.close() for hand in hands))
        yield server


async def begin_one(person: Person) -> None:
    """Begin a battle, and leave it."""
    battle_id = await easy_battle(person)
    await person.ok("battles.join", battle_id=battle_id)
    await person.ok("battles.leave", battle_id=battle_id)


async def first_paint(browser: Browser) -> list[str]:
    """What was sent until the first rows are live."""
    await browser.register()
    await browser.page.get_by_test_id("battle-card").first.wait_for()
    seen = set(await browser.page.evaluate(IN_SIGHT))
    await browser.until(lambda: seen <= browser.rooms)
    return sorted(browser.sent)


async def test_the_first_paint_costs_the_same_however_many_there_are(
    chromium: Chromium, crowded: Server, server: Server
) -> None:
    small = {"width": 700, "height": 420}  # no more than three cards fit
    async with opened(chromium, server.url, viewport=small) as few:
        expected = await first_paint(few)
    async with opened(chromium, crowded.url, viewport=small) as many:
        assert len(await first_paint(many)) <= len(expected) + 2
        under_way = many.page.get_by_test_id("battles-count").filter(has_text=f"{MANY} under way")
        await under_way.wait_for()
        assert many.sent.count("battles.list") == 1


async def test_only_what_is_seen_is_followed(chromium: Chromium, crowded: Server) -> None:
    async with opened(chromium, crowded.url) as browser:
        page = browser.page
        await first_paint(browser)
        cards = page.get_by_test_id("battle-card")
        assert await cards.count() == PAGE
        first = set(await page.evaluate(IN_SIGHT))
        await page.get_by_test_id("more").click()
        await cards.nth(PAGE).wait_for()
        await cards.nth(2 * PAGE - 1).scroll_into_view_if_needed()
        last = set(await page.evaluate(IN_SIGHT))
        assert first.isdisjoint(last)

        def followed() -> set[str]:
            return {room for room in browser.rooms if room.startswith("listing:")}

        await browser.until(lambda: last <= followed() and first.isdisjoint(followed()))
        assert len(followed()) < PAGE


async def test_rows_are_live_and_new_battles_are_announced(
    chromium: Chromium, server: Server
) -> None:
    person = await connected(server.url)
    battle_id = await easy_battle(person)
    async with opened(chromium, server.url) as browser:
        page = browser.page
        await first_paint(browser)
        card = page.locator(f"[data-battle-id='{battle_id}']")
        await browser.until(lambda: f"listing:{battle_id}" in browser.rooms)
        await page.evaluate(WATCH_SHIFTS)
        await person.ok("battles.join", battle_id=battle_id)
        await card.filter(has_text="1 / 10").wait_for()
        # Another one is on offer in its place: it comes in when it is asked for, and has the focus.
        news = page.get_by_test_id("new-battles")
        await news.filter(has_text="new battle").wait_for()
        await page.evaluate(TWO_FRAMES)
        assert not await page.evaluate("window.shifts")
        shown = await page.get_by_test_id("battle-card").count()
        await news.click()
        await news.wait_for(state="hidden")
        assert await page.get_by_test_id("battle-card").count() > shown
        inside = "document.activeElement.closest('[data-testid=battle-card]') !== null"
        assert await page.evaluate(inside)
    await person.close()


@pytest.mark.parametrize("width", [360, 1280])
async def test_nothing_moves_while_others_fight(
    chromium: Chromium, server: Server, width: int
) -> None:
    one, other = [await connected(server.url) for _ in range(2)]
    battle_id = await easy_battle(one)
    await one.ok("battles.join", battle_id=battle_id)
    size = {"width": width, "height": 900}
    async with opened(chromium, server.url, viewport=size) as browser:
        page = browser.page
        await browser.register()
        await browser.go("battle", f"#/battles/{battle_id}")
        await page.get_by_test_id("enemies").get_by_role("radio").first.wait_for()
        await page.evaluate(TWO_FRAMES)
        await page.evaluate(WATCH_SHIFTS)
        for _ in range(3):
            await strike(one, battle_id, 1, kind="quick")
        await one.ok("battles.chat", battle_id=battle_id, text="Come along!")
        await other.ok("battles.join", battle_id=battle_id)
        await strike(other, battle_id, 2, kind="quick")
        await browser.until_told("battles.struck", 4)
        await page.get_by_test_id("seat").nth(1).wait_for()
        await page.evaluate(TWO_FRAMES)
        assert not await page.evaluate("window.shifts")
    for person in (one, other):
        await person.close()


async def test_who_has_a_seat_elsewhere_is_led_back_to_it(
    chromium: Chromium, server: Server
) -> None:
    """Taken where this page could not see it: the refusal says which battle it is."""
    async with opened(chromium, server.url) as browser:
        page = browser.page
        name = await browser.register()
        back = page.get_by_test_id("return")
        assert not await back.is_visible()
        other = await Person(server.url, await log_in(server.url, Login(name, PASSWORD))).connect()
        battle_id = await easy_battle(other)
        await other.ok("battles.join", battle_id=battle_id)
        cards = page.locator(f"[data-testid=battle-card]:not([data-battle-id='{battle_id}'])")
        await cards.locator("[data-testid=join]:not([aria-disabled])").first.click()
        await back.wait_for()
        link = await back.get_attribute("href")
        assert link is not None
        assert link.endswith(f"/{battle_id}")
        await other.close()
