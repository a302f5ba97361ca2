"""Each change of users, service keys and connections has its row, and its line in the log."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.permissions import Role
from server.app import App, opened
from server.auth import Accounts, Auth
from server.config import Settings
from tests.support.clock import ManualClock
from tests.support.ear import Ear
from tests.support.engines import database, on_both_engines, rows
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres

pytestmark = on_both_engines

SECRET = "a secret horse"
Row = tuple[Any, ...]


class Office:
    """A server, and somebody who administers over a connection."""

    def __init__(self, app: App, url: str, boss: Ear, session: str) -> None:
        self.app, self.url, self.boss, self.session = app, url, boss, session

    async def acts(self) -> list[Row]:
        """Who has done what to what, from where."""
        query = "select actor, actor_name, action, target, address from audit order by id"
        return await rows(self.url, query)


@pytest.fixture
async def office(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[Office]:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    async with opened(settings, ManualClock()) as app:
        logged_in = await app.service(Auth).add("boss", PASSWORD, Role.ADMIN)
        identity = await app.gateway.authenticate({"token": logged_in.tokens.access_token})
        boss = Ear(app, identity)
        boss.address = "203.0.113.9"
        yield Office(app, url, await boss.open(), logged_in.tokens.refresh_token)


async def test_what_is_done_over_a_connection_has_its_actor(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    boss = office.boss
    made = await boss.ok("users.create", username="ada", password=SECRET, request_id="once")
    user_id = made["user_id"]
    assert await boss.ok("users.create", username="ada", password=SECRET, request_id="once")
    await boss.ok("users.update", user_id=user_id, password=SECRET)
    await boss.ok("users.disable", user_id=user_id)
    await boss.ok("users.enable", user_id=user_id)
    await boss.ok("users.delete", user_id=user_id)
    other = await Ear(office.app, boss.identity).open()
    await boss.ok("connections.disconnect", connection_id=other.id, reason="go")
    refused = await boss.ask("users.delete", user_id=boss.identity.id)
    assert refused["error"]["reason"] == "last_admin"
    targets = [
        *((f"users.{verb}", user_id) for verb in ("create", "update", "disable", "enable")),
        ("users.delete", user_id),
        ("connections.disconnect", other.id),
    ]
    acts = sorted(await office.acts())
    assert acts == sorted((boss.identity.id, "boss", *done, "203.0.113.9") for done in targets)
    correlated = await rows(office.url, "select correlation_id from audit")
    assert all(found.startswith(f"{boss.id}.") for (found,) in correlated)
    lines = [line for line in capsys.readouterr().out.splitlines() if "command_audited" in line]
    assert [line for _, target in targets for line in lines if target in line]
    assert len(lines) == len(targets)
    assert all("actor_name=boss" in line and f"actor={boss.identity.id}" in line for line in lines)
    assert SECRET not in str(await rows(office.url, "select * from audit")) + str(lines)


async def test_what_is_done_on_the_command_line_has_it_too(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts = office.app.service(Accounts)
    user_id = (await accounts.add("ada", SECRET, Role.PLAYER)).user_id
    await accounts.set_role("ada", Role.VIEWER)
    await accounts.set_role("ada", Role.VIEWER)  # which changes nothing
    await accounts.set_role("ada", Role.PLAYER)
    await accounts.set_password("ada", SECRET)
    await accounts.disable("ada")
    await accounts.enable("ada")
    await accounts.delete("ada")
    key = await accounts.add_service_key("robot", ["read"])
    await accounts.revoke_service_key("robot")
    await accounts.revoke_service_key("robot")  # likewise
    ((key_id,),) = await rows(office.url, "select id from service_keys")
    acts = sorted(await office.acts(), key=lambda act: act[2:])
    done = ["create", "delete", "disable", "enable", *["update"] * 3]
    wanted = [("service_keys.create", key_id), ("service_keys.revoke", key_id)]
    wanted += [(f"users.{verb}", user_id) for verb in done]
    assert acts == [(None, "command line", *act, "") for act in wanted]
    printed = capsys.readouterr().out
    assert printed.count("command_audited") == len(wanted)
    assert printed.count("actor_name='command line'") == len(wanted)
    assert SECRET not in printed
    assert key not in printed


async def test_who_ends_a_log_in_is_logged(
    office: Office, capsys: pytest.CaptureFixture[str]
) -> None:
    await office.app.service(Auth).log_out(office.session)
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "rights_ended" in x]
    assert "reason=logged_out" in line
    assert f"user={office.boss.identity.id}" in line
    assert office.session not in line
