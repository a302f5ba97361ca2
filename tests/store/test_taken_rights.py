"""Rights that are taken away while a command is in flight: it changes nothing any more."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from protocol.auth import LoggedIn, Login
from protocol.ids import uuid7
from protocol.message import Kind, Spec, specs
from protocol.permissions import Role
from server.app import App, opened
from server.auth import Accounts, Auth, Rights
from server.config import Settings
from server.database import Work
from server.database import postgres as postgres_engine
from server.users import Users
from tests.contracts import MESSAGES
from tests.support.clock import ManualClock
from tests.support.ear import Ear
from tests.support.engines import database, on_both_engines, rows
from tests.support.folds import Told
from tests.support.messages import needs
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres

on_postgres = pytest.mark.parametrize(
    "engine", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
LOST = {"unauthenticated", "forbidden"}
TABLES = ("users", "refresh_tokens", "rights_changes", "kept_replies", "room_events", "audit")


class House:
    """Two servers on the same data, and two administrators: A takes the rights of M away."""

    def __init__(self, here: App, there: App, url: str) -> None:
        self.here, self.there, self.url = here, there, url
        self.a: LoggedIn
        self.m: LoggedIn

    async def furnish(self) -> "House":
        """Make both administrators."""
        self.a = await self.here.service(Auth).add("alice", PASSWORD, Role.ADMIN)
        self.m = await self.here.service(Auth).add("mallory", PASSWORD, Role.ADMIN)
        return self

    @property
    def name(self) -> str:
        """The username of M."""
        return self.m.user.username

    async def ear(self, who: LoggedIn, app: App | None = None) -> Ear:
        """A connection with an access token."""
        app = app or self.here
        identity = await app.gateway.authenticate({"token": who.tokens.access_token})
        return await Ear(app, identity).open()

    def deafen(self) -> None:
        """From here on this process hears of no change of rights that others make."""

        async def hear_nothing() -> None:
            return

        self.here.service(Rights).look = hear_nothing  # type: ignore[method-assign]

    async def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that a command might change."""
        return {
            table: sorted(await rows(self.url, f"select * from {table}"), key=repr)  # noqa: S608
            for table in TABLES
        }

    async def user(self, user_id: str) -> tuple[str, bool] | None:
        """Role of a user, and whether they are disabled; None where they are deleted."""
        found = {
            ident: (role, bool(disabled))
            for ident, role, disabled in await rows(
                self.url, "select id, role, disabled from users"
            )
        }
        return found.get(user_id)


@pytest.fixture
async def house(
    tmp_path: Path, engine: str, postgres: Postgres | None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    monkeypatch.setattr(postgres_engine, "STEP_S", 30.0)
    url = await database(engine, postgres, tmp_path / "warroom.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    async with opened(settings, ManualClock()) as here, opened(settings, ManualClock()) as there:
        yield await House(here, there, url).furnish()


async def _log_out(house: House) -> None:
    await house.there.service(Auth).log_out(house.m.tokens.refresh_token)


Take = Callable[[House], Awaitable[None]]
TAKEN: dict[str, Take] = {
    "disabled": lambda house: house.there.service(Accounts).disable(house.name),
    "another role": lambda house: house.there.service(Accounts).set_role(house.name, Role.PLAYER),
    "deleted": lambda house: house.there.service(Accounts).delete(house.name),
    "another password": lambda house: house.there.service(Accounts).set_password(
        house.name, "other horse"
    ),
    "logged out": _log_out,
}
"""How the rights of M are taken away by another process: the command line, or another server."""


def guarded() -> list[Spec]:
    """All commands that act on others."""
    return [spec for spec in specs(Kind.COMMAND) if spec.name in MESSAGES and spec.guarded]


def filled_in(spec: Spec, user_id: str, connection_id: str) -> dict[str, Any]:
    """The example of a command, with a target that there is."""
    targets = {"user_id": user_id, "connection_id": connection_id}
    return {name: targets.get(name, value) for name, value in needs(spec).data.items()}


async def each_way(house: House) -> AsyncIterator[str]:
    """Every way, each with another M."""
    for way in TAKEN:
        name = f"m{uuid7().replace('-', '')[-18:]}"
        house.m = await house.here.service(Auth).add(name, PASSWORD, Role.ADMIN)
        yield way


@on_both_engines
async def test_no_command_of_theirs_changes_anything(house: House) -> None:
    """This process has not heard of it yet: their connection is open."""
    house.deafen()
    victim = await house.ear(await house.here.service(Auth).add("victim", PASSWORD, Role.PLAYER))
    assert guarded()
    async for way in each_way(house):
        mallory = await house.ear(house.m)
        await TAKEN[way](house)
        before = await house.contents()
        for spec in guarded():
            for request in ({}, {"request_id": f"again.{spec.name}"}):
                for target in (mallory, victim):
                    data = filled_in(spec, target.identity.id, target.id)
                    answer = await mallory.ask(spec.name, **data, **request)
                    assert not answer["ok"], (way, spec.name)
                    assert answer["error"]["code"] in LOST, (way, spec.name)
        assert await house.contents() == before, way
    assert not victim.closed


@on_both_engines
async def test_it_is_so_where_they_are_taken_between_the_decision_and_the_commit(
    house: House,
) -> None:
    """The guard finds it in the transaction; the command is told, not decided 5 times over."""
    house.deafen()
    victim = await house.ear(await house.here.service(Auth).add("victim", PASSWORD, Role.PLAYER))
    dispatch = house.here.gateway.dispatch
    oversight: Any = dispatch.oversight
    for spec in guarded():
        async for way in each_way(house):
            mallory = await house.ear(house.m)
            lost: list[dict[str, Any]] = []

            async def check_and_then_lose(caller: Any, take: Take = TAKEN[way]) -> None:
                await oversight.check(caller)
                await take(house)
                lost.append(await house.contents())  # noqa: B023

            dispatch.oversight = oversight._replace(check=check_and_then_lose)
            data = filled_in(spec, victim.identity.id, victim.id)
            answer = await mallory.ask(spec.name, **data, request_id="once")
            dispatch.oversight = oversight
            assert answer["error"]["code"] in LOST, (way, spec.name)
            assert lost == [await house.contents()], (way, spec.name)
    assert not victim.closed


@on_both_engines
async def test_their_connection_is_closed_where_the_guard_finds_it(house: House) -> None:
    mallory = await house.ear(house.m)
    await house.there.service(Accounts).disable("mallory")
    answer = await mallory.ask("users.enable", user_id=house.m.user.id)
    assert answer["error"]["message"] == "the log-in has ended: the command was rejected"
    await mallory.until(lambda: mallory.closed)


@on_both_engines
async def test_what_is_decided_again_is_not_what_undoes_it(house: House) -> None:
    """The first decision falls because of the very change that it would undo."""
    mallory = await house.ear(house.m)
    people: Any = house.here.service(Auth).people
    find = people.find

    async def find_and_then_lose(user_id: str) -> Any:
        people.find = find
        user = await find(user_id)
        await house.there.service(Accounts).set_role("mallory", Role.PLAYER)
        return user

    people.find = find_and_then_lose
    answer = await mallory.ask(
        "users.update", user_id=house.m.user.id, role="admin", email="m@example.org"
    )
    assert answer["error"]["code"] in LOST
    assert await house.user(house.m.user.id) == ("player", False)


@on_both_engines
@pytest.mark.parametrize("request_id", [None, "once"])
async def test_nobody_is_added_by_who_is_deleted_meanwhile(
    house: House, request_id: str | None
) -> None:
    mallory, alice = await house.ear(house.m), await house.ear(house.a)
    passwords: Any = house.here.service(Auth)._passwords
    hashes = passwords.hash
    hashing, go_on = asyncio.Event(), asyncio.Event()

    async def hash_slowly(*given: Any) -> Any:
        hashing.set()
        await go_on.wait()
        return await hashes(*given)

    passwords.hash = hash_slowly
    made = mallory.ask(
        "users.create",
        username="back-door",
        password=PASSWORD,
        role="admin",
        request_id=request_id,
    )
    await hashing.wait()
    await alice.ok("users.delete", user_id=house.m.user.id)
    assert mallory.closed
    go_on.set()
    answer = await made
    assert answer["error"]["code"] in LOST
    await house.here.gateway.dispatch.settle()
    assert await house.here.service(Users).by_name("back-door") is None


@on_both_engines
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("users.disable", {}),
        ("users.update", {"role": "player"}),
        ("users.delete", {}),
        ("users.update", {"password": "other horse"}),
    ],
)
async def test_they_are_closed_at_the_commit_and_not_told_of_it(
    house: House, name: str, fields: dict[str, Any]
) -> None:
    alice, mallory = await house.ear(house.a), await house.ear(house.m)
    room = f"user:{house.m.user.id}"
    for ear in (alice, mallory):
        await ear.ok("rooms.join", room=room)
    await alice.ok(name, user_id=house.m.user.id, **fields)
    assert mallory.closed
    told = [item.name for item in mallory.heard if isinstance(item, Told)]
    assert told == ["auth.expired"]
    told = [item.name for item in alice.heard if isinstance(item, Told)]
    assert told in (["users.changed"], ["users.deleted"])


@on_both_engines
async def test_of_two_who_disable_each_other_one_stays(house: House) -> None:
    """Each in a process of their own, at once: PostgreSQL has them wait for each other."""
    await house.here.service(Auth).add("third", PASSWORD, Role.ADMIN)
    for _ in range(3):
        alice, mallory = await house.ear(house.a), await house.ear(house.m, house.there)
        answers = await asyncio.gather(
            alice.ask("users.disable", user_id=house.m.user.id),
            mallory.ask("users.disable", user_id=house.a.user.id),
        )
        ok = [answer["ok"] for answer in answers]
        assert sorted(ok) == [False, True], answers
        lost = next(answer for answer in answers if not answer["ok"])
        assert lost["error"]["code"] in LOST
        out, winner = ("mallory", "alice") if ok[0] else ("alice", "mallory")
        assert (await house.here.service(Users).by_name(out)).disabled  # type: ignore[union-attr]
        assert not (await house.here.service(Users).by_name(winner)).disabled  # type: ignore[union-attr]
        await house.here.service(Accounts).enable(out)
        again = await house.here.service(Auth).log_in(Login(out, PASSWORD), "::1")
        house.a, house.m = (house.a, again) if ok[0] else (again, house.m)


# ---- the same command, sent again


@on_both_engines
async def test_a_retry_over_another_log_in_is_carried_out_for_itself(house: House) -> None:
    """The first connection's log-in has ended meanwhile; that of the second has not."""
    again = await house.here.service(Auth).log_in(Login("mallory", PASSWORD), "::1")
    first, second = await house.ear(house.m), await house.ear(again)
    passwords: Any = house.here.service(Auth)._passwords
    hashes = passwords.hash
    hashing, go_on = asyncio.Event(), asyncio.Event()

    async def hash_slowly(*given: Any) -> Any:
        hashing.set()
        await go_on.wait()
        return await hashes(*given)

    passwords.hash = hash_slowly
    fields = {"username": "somebody", "password": PASSWORD, "request_id": "once"}
    answers = [ear.ask("users.create", **fields) for ear in (first, second)]
    await hashing.wait()
    await house.here.service(Auth).log_out(house.m.tokens.refresh_token)
    go_on.set()
    lost, done = await asyncio.gather(*answers)
    assert lost["error"]["code"] == "unauthenticated"
    assert done["ok"]
    assert len(await rows(house.url, "select 1 from users where username = 'somebody'")) == 1


@on_both_engines
async def test_a_reply_is_given_again_only_to_who_still_may(house: House) -> None:
    house.deafen()
    fields = {"username": "somebody", "password": PASSWORD, "request_id": "once"}
    mallory = await house.ear(house.m)
    first = await mallory.ok("users.create", **fields)
    assert await mallory.ok("users.create", **fields) == first
    await house.there.service(Accounts).set_role("mallory", Role.VIEWER)
    answer = await mallory.ask("users.create", **fields)
    assert answer["error"] == {
        "code": "forbidden",
        "message": "the role is now viewer: the command was rejected; refresh and reconnect",
    }


# ---- PostgreSQL: another process takes them away in the same moment


async def _waiting(connection: Any) -> None:
    """Wait until a server's writer waits for a lock."""
    query = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        " and application_name like 'warroom writer%'"
    )
    async with asyncio.timeout(20):
        while not await connection.fetchval(query):
            continue


TAKING = {
    "disabled": "update users set disabled = true where id = $1",
    "another role": "update users set role = 'player' where id = $1",
    "deleted": "delete from users where id = $1",
    "logged out": "update refresh_tokens set revoked = true where user_id = $1",
}


@on_postgres
@pytest.mark.parametrize("way", TAKING)
async def test_the_unit_waits_for_who_takes_them_and_falls(house: House, way: str) -> None:
    """The other transaction is not committed when the unit looks: it must not look past it."""
    house.deafen()
    mallory = await house.ear(house.m)
    outside = await asyncpg.connect(house.url)
    looking = await asyncpg.connect(house.url)
    try:
        taking = outside.transaction()
        await taking.start()
        await outside.execute("delete from players where player_id = $1", house.m.user.id)
        await outside.execute(TAKING[way], house.m.user.id)
        made = mallory.ask("users.create", username="late", password=PASSWORD, role="admin")
        await _waiting(looking)
        await taking.commit()
        assert (await made)["error"]["code"] in LOST
    finally:
        await outside.close()
        await looking.close()
    assert await house.here.service(Users).by_name("late") is None


@on_postgres
async def test_who_takes_them_waits_for_the_unit(house: House) -> None:
    """The other way round: the guard holds what it has seen until the unit is committed."""
    guard = Work("")
    identity = await house.here.gateway.authenticate({"token": house.m.tokens.access_token})
    oversight = house.here.gateway.dispatch.oversight
    assert oversight is not None
    oversight.guard(guard, identity)
    outside = await asyncpg.connect(house.url)
    looking = await asyncpg.connect(house.url)
    try:
        unit = outside.transaction()
        await unit.start()
        for change in guard.changes:
            assert await outside.execute(change.statement.postgres, *change.values) == "UPDATE 1"
        disabling = asyncio.create_task(house.there.service(Accounts).disable("mallory"))
        await _waiting(looking)
        assert not disabling.done()
        await unit.commit()
        await disabling
    finally:
        await outside.close()
        await looking.close()
