"""The page, when the rights of whoever looks at it change."""

from pathlib import Path

import pytest

from protocol.ids import uuid7
from tests.support.browser import opened
from tests.support.server import Server


@pytest.mark.browser
async def test_who_is_kept_out_reads_why(tmp_path: Path, server: Server) -> None:
    name = f"web{uuid7()[-10:]}"
    async with opened(server.url, tmp_path / "profile") as browser:
        await browser.register(name)
        await server.command("user", "disable", name)
        await browser.until_told("auth.expired")
        said = browser.page.get_by_test_id("form-error")
        await said.filter(has_text="This account may not come in any more.").wait_for()


@pytest.mark.browser
async def test_who_gets_another_role_comes_back_by_itself(tmp_path: Path, server: Server) -> None:
    name = f"web{uuid7()[-10:]}"
    async with opened(server.url, tmp_path / "profile") as browser:
        await browser.register(name)
        await server.command("user", "role", name, "user")
        await browser.until_told("auth.expired")
        back = "[data-testid=connection][data-state=live][data-verdict]"
        await browser.page.locator(back).wait_for()
