"""Names, chat and whatever else people choose is text on the page: none of it is ever HTML, and if
it were, the browser would not do what it says."""

import json
from collections.abc import AsyncIterator
from typing import NamedTuple
from urllib.parse import quote

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium

from tests.support.browser import Browser, opened
from tests.support.people import PASSWORD, connected
from tests.support.roles import beside
from tests.support.server import Server
from tests.support.wire import Wire

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

IMAGE = "<img src=x onerror=pwned()>"
PAYLOADS = (
    IMAGE,
    f'">{IMAGE}',
    f"</span></p></section>{IMAGE}",
    f"<!--{IMAGE}-->",
    f"]]>{IMAGE}",
    "<svg onload=pwned()>",
    "<svg><script>pwned()</script></svg>",
    "<script>pwned()</script>",
    "</script><script>pwned()</script>",
    '<iframe srcdoc="<script>parent.pwned()</script>"></iframe>',
    "<iframe src=javascript:parent.pwned()>",
    '<a href="javascript:pwned()" id=attack>x</a>',
    "<details open ontoggle=pwned()>",
    "<input autofocus onfocus=pwned()>",
    "<math><mi xlink:href=javascript:pwned()>",
    "<style>*{display:none}</style>",
    "<base href=//127.0.0.1:9/><meta http-equiv=refresh content=0>",
    "<template shadowrootmode=open><img src=x onerror=pwned()></template>",
    "&lt;img src=x onerror=pwned()&gt;",
    "&#60;img src=x onerror=pwned()&#62;",
    "{{constructor.constructor('pwned()')()}}${pwned()}<%= pwned() %>",
    "javascript:pwned()",
    "__proto__",
)
EMAIL = '"><img/src=x/onerror=pwned()><svg/onload=pwned()>@example.org'
HASHES = ("#/{}", "#/battles/{}", "#/users/{}", "#/users?search={}", "#/connections?user_id={}")

FOREIGN = """
() => [...document.querySelectorAll("*")]
  .filter(({ localName, attributes }) =>
    ["img", "iframe", "object", "embed", "base", "math", "template", "style"].includes(localName)
    || (localName === "script" && attributes.length === 0)
    || [...attributes].some(({ name, value }) =>
      name.startsWith("on") || name === "srcdoc"
      || (/href|src|action|data$/.test(name) && /^\\s*javascript:/i.test(value))))
  .map(({ outerHTML }) => outerHTML.slice(0, 200))
"""
"""Elements and attributes that the page never has."""


class Stage(NamedTuple):
    """A server, and the page of somebody who sees all of it. `alarms`: what was made to run."""

    server: Server
    admin: Browser
    token: str
    alarms: list[str]

    async def check(self) -> None:
        """Nothing has become more than text, and nothing has run."""
        assert await self.admin.page.evaluate(FOREIGN) == []
        assert self.alarms == []


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(
    chromium: Chromium, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Stage]:
    """The page without its policy: that is not what keeps text from being HTML."""
    folder = tmp_path_factory.mktemp("text")
    async with Server(folder, "tests.support.unlimited_server") as server:
        async with beside(server) as office:
            token = (await office.person("admin")).tokens.access_token
        wide = {"width": 1280, "height": 860}
        async with opened(chromium, server.url, bypass_csp=True, viewport=wide) as admin:
            alarms: list[str] = []
            admin.page.on("dialog", lambda dialog: alarms.append(dialog.message))
            await admin.page.expose_function("pwned", lambda: alarms.append("pwned"))
            await admin.log_in_as_admin(server)
            yield Stage(server, admin, token, alarms)


async def test_what_is_said(stage: Stage) -> None:
    speaker = await connected(stage.server.url)
    page = await speaker.ok("battles.list", status="waiting")
    battle_id = next(b["battle_id"] for b in page["items"] if b["required_level"] == 1)
    await speaker.ok("battles.join", battle_id=battle_id)
    half = len(PAYLOADS) // 2
    for text in PAYLOADS[:half]:  # these are in the snapshot, the others come as events
        await speaker.ok("battles.chat", battle_id=battle_id, text=text)
    await stage.admin.go("battle", f"#/battles/{battle_id}")
    lines = stage.admin.page.get_by_test_id("chat-line").locator(".said-text")
    await lines.nth(half - 1).wait_for()
    for text in PAYLOADS[half:]:
        await speaker.ok("battles.chat", battle_id=battle_id, text=text)
    await lines.nth(len(PAYLOADS) - 1).wait_for()
    assert await lines.all_text_contents() == list(PAYLOADS)
    await stage.check()
    await speaker.close()


async def test_addresses_and_what_is_searched_for(stage: Stage) -> None:
    page = stage.admin.page
    person = await connected(stage.server.url)
    wire = await Wire.connect(stage.server.url, token=stage.token)
    await wire.ok("users.update", user_id=person.id, email=EMAIL)
    await stage.admin.go("users")
    row = page.locator(f"[data-testid=user-row][data-user-id='{person.id}']")
    await row.filter(has_text=EMAIL).wait_for()
    await stage.check()
    for text in (EMAIL, IMAGE):
        await page.get_by_test_id("search").fill(text)
        if text == IMAGE:
            await page.get_by_test_id("list-state").filter(has_text="No account").wait_for()
        await stage.check()
    await stage.admin.go("user", f"#/users/{person.id}")
    await page.get_by_test_id("user-state").wait_for()
    assert await page.get_by_test_id("email").input_value() == EMAIL
    await stage.check()
    await wire.close()
    await person.close()


async def test_names_of_services(stage: Stage) -> None:
    key = (await stage.server.command("service-key", "add", IMAGE, "--scope", "read")).strip()
    wire = await Wire.connect(stage.server.url, service_key=key)
    await stage.admin.go("connections")
    names = stage.admin.page.get_by_test_id("connection-row").locator("h2 > span")
    await names.filter(has_text=IMAGE).wait_for()
    await stage.check()
    await wire.close()


RIGHT_TO_LEFT = (
    "\u0627\u0644\u0645\u062f\u064a\u0631: 1000 \u0630\u0647\u0628!",
    "\u05d0\u05d1\u05d2 (50) < 7",
    "abc \u05d0\u05d1\u05d2",
)
RIGHT_TO_LEFT_EMAIL = "\u05d0\u05d3\u05d4@\u05d3\u05d5\u05d2\u05de\u05d4.org"

EXPOSED = """
(name) => {
  const foreign = (text) => /[\\u0590-\\u08ff]/.test(text) || text.includes(name);
  const outside = (text) => text.replace(/\\u2068[^\\u2068\\u2069]*\\u2069/g, "");
  const found = [];
  const walker = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const { data, parentElement } = walker.currentNode;
    if (foreign(outside(data)) && !parentElement.closest("bdi")) found.push(data);
  }
  for (const element of document.querySelectorAll("*")) {
    const { localName, dir, value, attributes } = element;
    if (localName === "input" && foreign(value) && dir !== "auto") found.push(`input: ${value}`);
    for (const attribute of attributes) {
      if (["aria-label", "title", "placeholder", "aria-valuetext", "alt"].includes(attribute.name)
        && foreign(outside(attribute.value))) found.push(`${attribute.name}: ${attribute.value}`);
    }
  }
  return { found, count: document.querySelectorAll("bdi").length };
}
"""
"""Text of others that is not isolated, by an element, by isolates in a string or by `dir` of an
input; and how many elements isolate."""


async def test_text_of_others_is_isolated(stage: Stage) -> None:
    """What is written from right to left turns nothing around it, on any view."""
    page = stage.admin.page
    person = await connected(stage.server.url)
    assert person.logged_in is not None
    name = person.logged_in.user.username

    async def check() -> None:
        exposed = await page.evaluate(EXPOSED, name)
        assert exposed["found"] == []
        assert exposed["count"] > 1

    listed = await person.ok("battles.list", status="waiting")
    battle_id = next(b["battle_id"] for b in listed["items"] if b["required_level"] == 1)
    await stage.admin.go("battle", f"#/battles/{battle_id}")
    await person.ok("battles.join", battle_id=battle_id)
    for text in RIGHT_TO_LEFT:
        await person.ok("battles.chat", battle_id=battle_id, text=text)
    lines = page.get_by_test_id("chat-line")
    await lines.nth(len(RIGHT_TO_LEFT) - 1).wait_for()
    await page.get_by_test_id("log-line").filter(has_text="takes a seat").wait_for()
    await check()
    for number, text in enumerate(RIGHT_TO_LEFT):
        line = lines.nth(number)
        said, by, at = (line.locator(part) for part in (".said-text", "b", "time"))
        assert await said.text_content() == text
        style = await said.evaluate(
            "e => [getComputedStyle(e).unicodeBidi, getComputedStyle(e).direction]"
        )
        assert style == ["isolate", "ltr" if text[0] == "a" else "rtl"]
        boxes = [await part.bounding_box() for part in (by, said, at)]
        left = [box["x"] for box in boxes if box is not None]
        assert left == sorted(left), "name, text and time stand from left to right"
        assert len(left) == 3
    await person.ok("battles.leave", battle_id=battle_id)
    await page.get_by_test_id("log-line").filter(has_text="leaves").wait_for()
    await check()

    wire = await Wire.connect(stage.server.url, token=stage.token)
    await wire.ok("users.update", user_id=person.id, email=RIGHT_TO_LEFT_EMAIL)
    await stage.admin.go("players")
    await page.locator(f"[data-testid=player-row][data-player-id='{person.id}']").wait_for()
    await check()
    await stage.admin.go("users")
    row = page.locator(f"[data-testid=user-row][data-user-id='{person.id}']")
    await row.filter(has_text=RIGHT_TO_LEFT_EMAIL).wait_for()
    await check()
    await stage.admin.go("user", f"#/users/{person.id}")
    await page.get_by_test_id("user-state").wait_for()
    assert await page.get_by_test_id("email").input_value() == RIGHT_TO_LEFT_EMAIL
    await check()
    await page.get_by_test_id("delete").click()
    await page.get_by_test_id("dialog").wait_for()
    await check()
    await page.get_by_test_id("cancel").click()

    key = await stage.server.command("service-key", "add", RIGHT_TO_LEFT[0], "--scope", "read")
    service = await Wire.connect(stage.server.url, service_key=key.strip())
    await stage.admin.go("connections")
    await page.get_by_test_id("connection-row").filter(has_text=RIGHT_TO_LEFT[0]).wait_for()
    await check()
    await service.close()
    await wire.close()
    await person.close()


async def test_words_to_who_is_disconnected_are_isolated(stage: Stage) -> None:
    page = stage.admin.page
    wire = await Wire.connect(stage.server.url, token=stage.token)
    listed = await wire.ok("connections.list", limit=200)
    reason = RIGHT_TO_LEFT[0]
    for view in listed["items"]:
        if view["name"] == "admin":
            await wire.ok(
                "connections.disconnect", connection_id=view["connection_id"], reason=reason
            )
    notice = page.get_by_test_id("notice").filter(has_text=reason)
    await notice.wait_for()
    exposed = await page.evaluate(EXPOSED, "nobody-of-that-name")
    assert exposed["found"] == []
    await notice.get_by_test_id("dismiss").click()
    await wire.close()


async def test_what_can_not_be_shown_is_refused_in_words(stage: Stage) -> None:
    """And what was typed is not lost."""
    page = stage.admin.page
    wire = await Wire.connect(stage.server.url, token=stage.token)
    listed = await wire.ok("battles.list", status="waiting")
    battle_id = next(b["battle_id"] for b in listed["items"] if b["required_level"] == 1)
    await stage.admin.go("battle", f"#/battles/{battle_id}")
    await page.get_by_test_id("join").click()
    await page.locator("[data-testid=battle][data-role=seated]").wait_for()
    field, error = page.get_by_test_id("chat-input"), page.locator("#chat-error")
    for text, words in (("a\u202eb", "U+202A"), ("\u3164", "no visible character")):
        await field.fill(text)
        await page.get_by_test_id("chat-send").click()
        await error.filter(has_text=words).wait_for()
        assert await field.input_value() == text
    await field.fill("")
    await page.get_by_test_id("leave").click()
    await wire.close()


@pytest.mark.parametrize("where", HASHES)
async def test_what_stands_in_the_address(stage: Stage, where: str) -> None:
    page = stage.admin.page
    for text in (IMAGE, "javascript:pwned()", "%", "__proto__", "constructor"):
        hash_ = where.format(text if text == "%" else quote(text, safe=""))
        await page.evaluate("where => { location.hash = where }", hash_)
        await page.locator("main h1").first.wait_for()
        await stage.check()
    await stage.admin.go("battles")


async def test_words_to_who_is_disconnected(stage: Stage) -> None:
    page = stage.admin.page
    wire = await Wire.connect(stage.server.url, token=stage.token)
    listed = await wire.ok("connections.list", limit=200)
    for view in listed["items"]:
        if view["name"] == "admin":
            await wire.ok(
                "connections.disconnect", connection_id=view["connection_id"], reason=IMAGE
            )
    notice = page.get_by_test_id("notice")
    await notice.filter(has_text=IMAGE).wait_for()
    await stage.check()
    await notice.get_by_test_id("dismiss").click()
    await wire.close()


async def test_names_are_refused_before_they_are_anybodys(chromium: Chromium, stage: Stage) -> None:
    async with opened(chromium, stage.server.url, bypass_csp=True) as browser:
        page = browser.page
        await page.expose_function("pwned", lambda: stage.alarms.append("pwned"))
        for text in PAYLOADS[:-1]:
            await browser.fill_in(text, PASSWORD)
            await page.get_by_test_id("register").click()
            await page.get_by_test_id("username-error").filter(has_text="letters").wait_for()
            assert await page.get_by_test_id("username").input_value() == text
        assert await page.evaluate(FOREIGN) == []
        assert stage.alarms == []
    async with aiohttp.ClientSession(stage.server.url) as http:
        for text in (*PAYLOADS[:-1], "name.with.dots", "n\u0430me", "ab"):
            given = {"username": text, "password": PASSWORD}
            async with http.post("/api/auth/register", json=given) as answer:
                assert (answer.status, (await answer.json())["error"]["field"]) == (400, "username")


INJECTED = """
async () => {
  const seen = [];
  addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
  window.ran = [];
  const add = (tag, attributes, text = "") => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text) element.append(text);
    document.body.append(element);
    return element;
  };
  const tries = {
    "a listener": () => add("img", { src: "/icon.svg", onload: "ran.push('a listener')" }),
    "a script": () => add("script", {}, "ran.push('a script')"),
    "a script from elsewhere": () => add("script", { src: "http://127.0.0.1:9/x.js" }),
    "an image from elsewhere": () => add("img", { src: "http://127.0.0.1:9/x.png" }),
    "a style": () => add("style", {}, "body { color: red }"),
    "an attribute": () => add("p", { style: "position: fixed" }),
    "a frame": () => add("iframe", { src: "http://127.0.0.1:9/" }),
    "a base": () => add("base", { href: "http://127.0.0.1:9/" }),
    "HTML": () => { document.body.innerHTML += "<b>HTML</b>"; ran.push("HTML"); },
    "a text that is run": () => { setTimeout("ran.push('a text that is run')"); },
    "a link": () => add("a", { href: "javascript:ran.push('a link')" }).click(),
    "a connection": () => { new WebSocket("ws://127.0.0.1:9/"); },
    "a request": () => fetch("http://127.0.0.1:9/").catch(() => {}),
  };
  const thrown = [];
  for (const [name, attempt] of Object.entries(tries)) {
    try { await attempt(); } catch (error) { thrown.push(name); }
  }
  await new Promise((resolve) => setTimeout(resolve, 300));
  return JSON.stringify({ seen: [...new Set(seen)].sort(), ran, thrown, base: document.baseURI });
}
"""


async def test_what_was_injected_all_the_same_would_do_nothing(
    chromium: Chromium, stage: Stage
) -> None:
    context = await chromium.new_context()
    page = await context.new_page()
    await page.goto(stage.server.url)
    found = json.loads(await page.evaluate(INJECTED))
    assert found["ran"] == []
    assert {"HTML", "a listener", "a text that is run"} <= set(found["thrown"])
    assert found["base"] == f"{stage.server.url}/"
    assert set(found["seen"]) >= {
        *(
            "require-trusted-types-for",
            "script-src-elem",
            "style-src-elem",
            "style-src-attr",
            "img-src",
        ),
        *("frame-src", "connect-src", "base-uri"),
    }
    await context.close()
