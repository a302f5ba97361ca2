"""Names that were used rest; only administrators may give reserved ones."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import Register
from protocol.errors import Code, Failure
from protocol.permissions import Role
from protocol.users import NAME_REST_DAYS
from server.app import App, opened
from server.auth import Accounts, Auth
from server.config import Settings
from tests.support.clock import ManualClock
from tests.support.engines import database, on_both_engines, rows
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres

pytestmark = on_both_engines

DAY_S = 86_400


class House:
    """Two servers on the same data, whose clocks a test turns."""

    def __init__(self, here: App, there: App, clock: ManualClock, url: str) -> None:
        self.here, self.there, self.clock, self.url = here, there, clock, url

    async def reason(self, name: str) -> str | None:
        """Why a name can't be registered; None where it has been."""
        try:
            await self.here.service(Auth).register(Register(name, PASSWORD), "")
        except Failure as e:
            assert (e.error.code, e.error.field) == (Code.CONFLICT, "username")
            return e.error.reason
        return None


@pytest.fixture
async def house(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[House]:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    clock = ManualClock()
    async with opened(settings, clock) as here, opened(settings, clock) as there:
        yield House(here, there, clock, url)


async def test_a_name_that_was_used_rests(house: House) -> None:
    await house.here.service(Auth).register(Register("Gone", PASSWORD, "gone@example.org"), "")
    await house.there.service(Accounts).delete("gone")
    assert await house.reason("gONE") == "username_taken"
    with pytest.raises(Failure, match="username is taken"):
        await house.here.service(Accounts).add("gone", PASSWORD, Role.ADMIN)
    await house.here.service(Auth).register(Register("other", PASSWORD, "gone@example.org"), "")
    house.clock.advance(NAME_REST_DAYS * DAY_S - 60)
    await house.here.prune()
    assert await house.reason("gone") == "username_taken"
    house.clock.advance(60)
    assert await house.reason("gone") is None
    await house.here.prune()
    assert await rows(house.url, "select * from retired_names") == []


async def test_it_rests_anew_each_time(house: House) -> None:
    for _ in range(2):
        assert await house.reason("gone") is None
        await house.here.service(Accounts).delete("gone")
        assert await house.reason("gone") == "username_taken"
        house.clock.advance(NAME_REST_DAYS * DAY_S)


async def test_who_registers_while_the_name_goes_to_rest_does_not_get_it(house: House) -> None:
    """Another process adds and deletes the name after it was found to be free."""
    check = house.here.service(Auth).people.check_free

    async def check_and_then_lose(*given: Any) -> None:
        house.here.service(Auth).people.check_free = check  # type: ignore[method-assign]
        await check(*given)
        await house.there.service(Accounts).add("gone", PASSWORD, Role.PLAYER)
        await house.there.service(Accounts).delete("gone")

    house.here.service(Auth).people.check_free = check_and_then_lose  # type: ignore[method-assign]
    assert await house.reason("gone") == "username_taken"
    assert await rows(house.url, "select username from users") == []


async def test_of_many_who_want_a_name_while_it_is_deleted_nobody_gets_it(house: House) -> None:
    for n in range(5):
        name = f"gone-{n}"
        await house.there.service(Accounts).add(name, PASSWORD, Role.PLAYER)
        found = await asyncio.gather(
            house.there.service(Accounts).delete(name),
            *(house.reason(name) for _ in range(5)),
        )
        assert set(found[1:]) == {"username_taken"}
    assert await rows(house.url, "select username from users") == []


async def test_reserved_names_are_for_administrators_to_give(house: House) -> None:
    for name in ("admin", "_Adm1n", "system", "b0ss"):
        free = name == "b0ss"
        assert await house.reason(name) == (None if free else "username_reserved")
    await house.here.service(Accounts).add("system", PASSWORD, Role.PLAYER)
    await house.here.service(Accounts).add("Boss", PASSWORD, Role.ADMIN)
    assert await house.reason("B-oss1") == "username_reserved"
    await house.here.service(Accounts).add("second", PASSWORD, Role.ADMIN)
    await house.here.service(Accounts).set_role("boss", Role.PLAYER)
    assert await house.reason("B-oss1") is None


async def test_the_audit_log_is_pruned(house: House) -> None:
    await house.here.service(Accounts).add("ada", PASSWORD, Role.PLAYER)
    house.clock.advance(364 * DAY_S)
    await house.here.service(Accounts).disable("ada")
    await house.here.prune()
    assert len(await rows(house.url, "select * from audit")) == 2
    house.clock.advance(2 * DAY_S)
    await house.here.prune()
    assert [a for (a,) in await rows(house.url, "select action from audit")] == ["users.disable"]
