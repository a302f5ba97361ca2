"""People and connections, as an admin sees and changes them on the page."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium

from protocol.ids import uuid7
from tests.support.browser import Browser, opened
from tests.support.people import PASSWORD, connected
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(loop_scope="session")
async def admin(chromium: Chromium, server: Server) -> AsyncIterator[Browser]:
    """The page, open for the admin."""
    async with opened(chromium, server.url) as browser:
        await browser.log_in_as_admin(server)
        yield browser


async def create(admin: Browser, username: str) -> None:
    """Make an account in the dialog, and come to its view."""
    dialog = admin.page.get_by_test_id("dialog")
    await admin.page.get_by_test_id("create").click()
    await dialog.get_by_test_id("username").fill(username)
    await dialog.get_by_test_id("password").fill(PASSWORD)
    await dialog.get_by_test_id("email").fill(f"{username}@example.org")
    await dialog.get_by_test_id("role").select_option("viewer")
    await dialog.get_by_test_id("confirm").click()


async def test_an_account_from_its_creation_to_its_end(
    chromium: Chromium, server: Server, admin: Browser
) -> None:
    page, name = admin.page, f"Clerk-{uuid7()[-10:]}"
    await admin.go("users")
    await create(admin, name)
    title = page.locator("main h1")
    await title.filter(has_text=name).wait_for()
    role = page.get_by_test_id("role")
    assert await role.input_value() == "viewer"

    async with opened(chromium, server.url) as clerk:
        await clerk.fill_in(f"{name}@example.org", PASSWORD)
        await clerk.page.get_by_test_id("login").click()
        await clerk.page.get_by_test_id("own-role").filter(has_text="Viewer").wait_for()
        # Another role reaches the open page, which comes back with it.
        await role.select_option("user")
        await page.get_by_test_id("save").click()
        await clerk.page.get_by_test_id("own-role").filter(has_text="Operator").wait_for()
        await clerk.page.get_by_test_id("nav-battles").wait_for()
        await clerk.page.locator("[data-testid=connection][data-verdict]").wait_for()
        await page.get_by_test_id("access").click()
        await page.get_by_test_id("user-state").filter(has_text="Disabled").wait_for()
        why = clerk.page.get_by_test_id("form-error")
        await why.filter(has_text="may not come in any more").wait_for()
        await page.get_by_test_id("access").filter(has_text="Let in again").click()
        await page.get_by_test_id("user-state").filter(has_text="May come in").wait_for()
        await page.get_by_test_id("password").fill(new := "another horse")
        await page.get_by_test_id("set-password").click()
        await page.get_by_test_id("notice").filter(has_text="password is set").wait_for()
        await clerk.fill_in(name, new)
        await clerk.page.get_by_test_id("login").click()
        await clerk.page.get_by_test_id("nav").wait_for()

    await page.get_by_test_id("delete").click()
    await page.get_by_test_id("confirm").click()
    await page.get_by_test_id("typed-error").filter(has_text=name).wait_for()
    await page.get_by_test_id("typed").fill(name)
    await page.get_by_test_id("confirm").click()
    await page.get_by_test_id("users").wait_for()
    await page.get_by_test_id("search").fill(name)
    await page.get_by_test_id("list-state").filter(has_text="No account").wait_for()
    await page.get_by_test_id("user-row").first.wait_for(state="hidden")


async def test_search_is_remembered_in_the_address(admin: Browser, server: Server) -> None:
    page, name = admin.page, f"Seek-{uuid7()[-10:]}"
    await admin.go("users")
    await create(admin, name)
    await page.get_by_test_id("user").wait_for()
    await page.go_back()
    await page.get_by_test_id("search").fill(name.lower())
    rows = page.get_by_test_id("user-row")
    await rows.filter(has_text=name).wait_for()
    await rows.filter(has_text="admin").first.wait_for(state="detached")
    await rows.get_by_test_id("user-link").click()
    await page.locator("main h1").filter(has_text=name).wait_for()
    await page.go_back()
    await rows.filter(has_text=name).wait_for()
    assert await page.get_by_test_id("search").input_value() == name.lower()
    assert await rows.count() == 1


async def test_what_the_server_refuses_is_said_where_it_is_wrong(admin: Browser) -> None:
    page = admin.page
    await admin.go("users")
    await create(admin, "admin")
    await page.get_by_test_id("username-error").filter(has_text="taken").wait_for()
    await page.keyboard.press("Escape")
    await page.get_by_test_id("dialog").wait_for(state="detached")
    focused = "document.activeElement.dataset.testid"
    assert await page.evaluate(focused) == "create"
    await page.get_by_test_id("search").fill("admin")
    await page.get_by_test_id("user-link").get_by_text("admin", exact=True).click()
    await page.get_by_test_id("user-state").wait_for()
    await page.get_by_test_id("role").select_option("player")
    await page.get_by_test_id("save").click()
    await page.get_by_test_id("role-error").filter(has_text="last admin").wait_for()


async def test_a_reserved_name_is_said_at_its_field(chromium: Chromium, server: Server) -> None:
    async with opened(chromium, server.url) as browser:
        error = browser.page.get_by_test_id("username-error")
        browser.expected = ("409 (Conflict)",)
        for name in ("_Adm1n", "m0derator"):
            await browser.fill_in(name, PASSWORD)
            await browser.page.get_by_test_id("register").click()
            await error.filter(has_text="This name is reserved").wait_for()
        await browser.register()


async def test_an_operators_words_reach_whoever_is_disconnected(
    chromium: Chromium, server: Server, admin: Browser
) -> None:
    page = admin.page
    async with opened(chromium, server.url) as browser:
        name = await browser.register()
        await admin.go("connections")
        row = page.get_by_test_id("connection-row").filter(has_text=name)
        await row.get_by_test_id("disconnect").click()
        await page.get_by_test_id("confirm").click()
        await page.get_by_test_id("reason-error").filter(has_text="Say why").wait_for()
        words = "<b>Maintenance</b> at noon"
        await page.get_by_test_id("reason").fill(words)
        await page.get_by_test_id("confirm").click()
        await row.wait_for(state="detached")
        # The words are shown as text, and stay until they are dismissed; the page comes back.
        notice = browser.page.get_by_test_id("notice")
        await notice.filter(has_text=words).wait_for()
        await browser.page.locator("[data-testid=connection][data-verdict=resumed]").wait_for()
        await notice.get_by_test_id("dismiss").click()
        await notice.wait_for(state="detached")


async def test_counts_of_connections_are_live(server: Server, admin: Browser) -> None:
    await admin.go("connections")
    await admin.page.get_by_test_id("connection-row").first.wait_for()
    person = await connected(server.url)
    refresh = admin.page.get_by_test_id("refresh")
    await refresh.filter(has_text="there is news").wait_for()
    await refresh.click()
    await refresh.filter(has_not_text="there is news").wait_for()
    assert person.logged_in is not None
    name = person.logged_in.user.username
    await admin.page.get_by_test_id("connection-row").filter(has_text=name).wait_for()
    await person.close()
