"""One battle, from the pool to its rewards, by Node's client, Python's and a browser together."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page

from protocol.battle_events import RewardClaimed
from protocol.battles import Attack, AttackKind, Claim, GetBattle, Join, Status
from protocol.client import Client, Received
from protocol.errors import Failure
from tests.support.browser import Browser, opened
from tests.support.people import registered
from tests.support.programs import need
from tests.support.server import ROOT, Server

Log = list[tuple[int, str, Any]]
PLAYERS = 3


class PythonPlayer:
    """A player on protocol.client."""

    def __init__(self, url: str, token: str, battle_id: str) -> None:
        self.log: Log = []
        self._battle_id = battle_id
        self._ended = asyncio.Event()

        async def give_token() -> str:
            return token

        self._client = Client(url, give_token, on_event=self._on_event)

    def _on_event(self, received: Received) -> None:
        assert received.meta.seq is not None
        self.log.append((received.meta.seq, received.name, received.data))
        claims = [name for _, name, _ in self.log if name == "battles.reward_claimed"]
        if isinstance(received.event, RewardClaimed) and len(claims) == PLAYERS:
            self._ended.set()

    async def play(self) -> None:
        async with self._client as client:
            await client.join(f"battle:{self._battle_id}")
            await client.send(Join(battle_id=self._battle_id))
            while True:
                battle = await client.ask(GetBattle(battle_id=self._battle_id))
                if len(battle.seats) < PLAYERS:
                    continue  # nobody begins before all are there
                if battle.status is not Status.IN_PROGRESS:
                    break
                enemy = next(enemy for enemy in battle.enemies if enemy.hp > 0)
                try:
                    await client.send(
                        Attack(
                            battle_id=self._battle_id,
                            enemy_id=enemy.enemy_id,
                            kind=AttackKind.QUICK,
                        )
                    )
                except Failure as e:
                    assert e.error.reason in ("exhausted", "enemy_defeated", "over")
            await client.send(Claim(battle_id=self._battle_id))
            async with asyncio.timeout(30):
                await self._ended.wait()


async def node_player(url: str, token: str, battle_id: str) -> Log:
    process = await asyncio.create_subprocess_exec(
        *(need("node"), str(ROOT / "tests/browser/player.mjs"), url, token, battle_id),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, errors.decode()
    return [tuple(json.loads(line)) for line in output.splitlines()]


async def take_a_seat(page: Page) -> str:
    """Join the easy battle on the page; returns its id."""
    waiting = page.locator("[data-testid=battle-card][data-status=waiting][data-difficulty=easy]")
    card = waiting.first
    battle_id = await card.get_attribute("data-battle-id")
    assert battle_id is not None
    await card.get_by_test_id("join").click()
    await page.get_by_test_id("battle").wait_for()
    return battle_id


async def strike_until_told(browser: Browser, times: int) -> None:
    """Press the key of a normal blow until blows were told so many times."""
    async with asyncio.timeout(30):
        while browser.times_told("battles.struck") < times:
            await browser.page.keyboard.press("2")
            await browser.page.wait_for_timeout(60)


async def strike_until_over(page: Page) -> None:
    """Press the key of a normal blow, as a person would, until the result is shown."""
    result = page.get_by_test_id("result")
    while not await result.is_visible():
        await page.keyboard.press("2")
        await page.wait_for_timeout(60)


def screenshot(name: str) -> str:
    folder = ROOT / ".data" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / f"{name}.png")


@pytest.mark.browser
@pytest.mark.node
@pytest.mark.asyncio(loop_scope="session")
async def test_three_kinds_of_client_play_one_battle(chromium: Chromium, server: Server) -> None:
    python, node = [(await registered(server.url)).tokens.access_token for _ in range(2)]
    size = {"width": 1280, "height": 860}
    async with opened(chromium, server.url, viewport=size) as browser:
        page = browser.page
        await page.screenshot(path=screenshot("login"))
        await browser.register()
        await page.screenshot(path=screenshot("pool"))
        battle_id = await take_a_seat(page)
        room = f"battle:{battle_id}"
        player = PythonPlayer(server.url, python, battle_id)
        async with asyncio.TaskGroup() as others:  # whose fault ends the test at once
            others.create_task(player.play())
            node_log = others.create_task(node_player(server.url, node, battle_id))
            # The page's own join may be in its snapshot.
            await browser.until_told("battles.player_joined", PLAYERS - 1)
            await page.keyboard.press("2")
            await page.screenshot(path=screenshot("battle"))
            await strike_until_over(page)
            await page.get_by_test_id("claim").click()
            await page.get_by_test_id("claimed").wait_for()
            await page.screenshot(path=screenshot("rewards"))
        await browser.until_told("battles.reward_claimed", PLAYERS)
        gold = await page.get_by_test_id("gold").get_attribute("data-value")

    logs = [player.log, node_log.result(), browser.log(room)]
    assert [[seq for seq, _, _ in log] for log in logs] == [
        list(range(log[0][0], log[-1][0] + 1)) for log in logs
    ]
    start = max(log[0][0] for log in logs)
    same = [[(seq, name, data) for seq, name, data in log if seq >= start] for log in logs]
    assert same[0] == same[1] == same[2]
    names = [name for _, name, _ in same[0]]
    assert "battles.struck" in names
    assert names.count("battles.reward_claimed") == PLAYERS
    assert gold is not None
    assert int(gold) >= 1100


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_a_page_comes_back_after_a_kill(chromium: Chromium, tmp_path: Path) -> None:
    server = await Server(tmp_path / "data").start()
    async with opened(chromium, server.url) as browser:
        page = browser.page
        await browser.register()
        await take_a_seat(page)
        await strike_until_told(browser, 1)
        await server.kill()
        await page.locator("[data-testid=connection]:not([data-state=live])").wait_for()
        # The wait for the next attempt is counted down, and can be cut short.
        await page.get_by_test_id("retry-in").filter(has_text="in ").wait_for()
        await server.start()
        await page.get_by_test_id("retry").dispatch_event("click")
        await page.locator("[data-testid=connection][data-state=live]").wait_for()
        found = page.locator(
            "[data-testid=connection]:is([data-verdict=resumed], [data-verdict=gap_filled])"
        )
        await found.wait_for()
        await strike_until_told(browser, browser.times_told("battles.struck") + 1)
    assert await server.stop() == 0


@pytest.mark.node
async def test_the_pages_parts_without_a_page() -> None:
    tests = [str(path) for path in sorted((ROOT / "tests/browser").glob("*.test.mjs"))]
    process = await asyncio.create_subprocess_exec(
        *(need("node"), "--test", *tests),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
