"""Who is deleted: what goes, what stays, and what other processes make of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from protocol.errors import Failure
from protocol.ids import uuid7
from protocol.permissions import Role
from protocol.players import PlayerChanged, player_room
from server.app import App, opened
from server.auth import Accounts, Auth, People, Rights
from server.battles import Battles, BattleService
from server.config import Settings
from server.database import Statement, Work
from server.players import Record
from server.players.rules import start, view
from server.users import Users
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import database, on_both_engines, rows
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres
from tests.support.verified import NO_ADMIN, verified

pytestmark = on_both_engines

MANY = 1234
NEWEST = 10**9

TOKENS = Statement(
    "tests.tokens",
    "insert into refresh_tokens (token_hash, family, user_id, expires_at, used_at, revoked)"
    " values (:token_hash, 'f', :user_id, :expires_at, null, false)",
)
RICH = Statement("tests.rich", "update players set gems = 7 where player_id = :player_id")
GIVEN = Statement(
    "tests.given",
    "insert into ledger (id, player_id, at, currency, amount, balance_after, why)"
    " values ('given', :player_id, 0, 'gems', 7, 7, 'given')",
)


class House:
    """A server in this process, and another on the same data."""

    def __init__(self, here: App, there: App, url: str) -> None:
        self.here = here
        self.there = there
        self.url = url

    async def ids(self, table: str, column: str) -> list[str]:
        """The ids in a column."""
        return [row[0] for row in await rows(self.url, f"select {column} from {table}")]  # noqa: S608

    async def admin(self) -> Ear:
        """A connection of somebody who administers."""
        boss = await self.here.service(Auth).add("boss", PASSWORD, Role.ADMIN)
        identity = await self.here.gateway.authenticate({"token": boss.tokens.access_token})
        return await Ear(self.here, replace(identity, rights=NEWEST)).open()

    async def player(self, name: str) -> Ear:
        """A connection of somebody new who plays."""
        return await Ear(self.here, player(await self.add(name), name)).open()

    async def add(self, name: str) -> str:
        """Somebody new. Returns the id."""
        return (await self.here.service(Auth).add(name, PASSWORD, Role.PLAYER)).user.id


@pytest.fixture
async def house(tmp_path: Path, engine: str, postgres: Postgres | None) -> AsyncIterator[House]:
    url = await database(engine, postgres, tmp_path / "warroom.db")
    settings = Settings(data_dir=tmp_path, database_url=url, password_hash_cost=4)
    async with opened(settings, ManualClock()) as here, opened(settings, ManualClock()) as there:
        await here.start()
        yield House(here, there, url)
        await here.gateway.dispatch.settle()
        await verified(url, NO_ADMIN)


def easy(app: App) -> str:
    """A battle that anybody may join."""
    waiting = app.service(Battles).pool.waiting
    return next(key for key, line in waiting.items() if line.required_level == 1)


async def test_a_long_history_goes_in_units_of_few_rows(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    boss, gone = await house.admin(), await house.add("gone")
    stays = await house.add("stays")
    for who in (gone, stays):
        record: Record = start(who, "x", 0)
        for _ in range(3):
            work = Work("2026-11-23T01:39:02.123Z")
            for _ in range(MANY // 3):
                work.publish(PlayerChanged(why="reward", player=view(record)))
            await house.here.database.writer.submit(work, b"", None)
    for batch in range(3):
        work = Work("")
        for n in range(400):
            token_hash = f"{batch} {n}"
            work.change(TOKENS, token_hash=token_hash, user_id=gone, expires_at=2**50)
        await house.here.database.writer.submit(work, b"", None)
    before = len(await house.ids("refresh_tokens", "user_id"))
    largest = 0
    queue = house.here.database.writer.queue

    def measured(work: Work, *given: Any) -> None:
        nonlocal largest
        largest = max(largest, len(work.changes) + len(work.events))
        for change in work.changes:
            if change.statement.name == "history.delete":
                _, start_at, stop = change.values
                largest = max(largest, stop - start_at)
        queue(work, *given)

    monkeypatch.setattr(house.here.database.writer, "queue", measured)
    await boss.ok("users.delete", user_id=gone)
    assert 0 < largest <= 500
    history = await house.ids("room_events", "room")
    assert history.count(player_room(gone)) == 0
    assert history.count(player_room(stays)) == MANY // 3 * 3
    # Nobody can use them, and they are pruned when they end.
    assert len(await house.ids("refresh_tokens", "user_id")) == before


async def test_what_a_player_had_is_booked_out(house: House) -> None:
    boss, gone = await house.admin(), await house.add("gone")
    work = Work("")
    work.change(RICH, player_id=gone)
    work.change(GIVEN, player_id=gone)
    await house.here.database.writer.submit(work, b"", None)
    await boss.ok("users.delete", user_id=gone)
    booked = await rows(
        house.url, "select player_id, currency, amount, balance_after, why from ledger"
    )
    assert sorted(row for row in booked if row[0] == gone) == [
        (gone, "gems", -7, 0, "deleted"),
        (gone, "gems", 7, 7, "given"),
        (gone, "gold", -1000, 0, "deleted"),
        (gone, "gold", 1000, 1000, "opening"),
    ]


async def test_who_is_deleted_elsewhere_is_refused_here(house: House) -> None:
    """The other process deletes while this one holds entries of the player and the battle."""
    gone, other = await house.player("gone"), await house.player("other")
    battle_id = easy(house.here)
    for ear in (gone, other):
        await ear.ok("battles.join", battle_id=battle_id)
    await gone.ok("battles.attack", battle_id=battle_id, enemy_id=1, kind="quick")
    await house.there.service(Accounts).delete("gone")

    for name, fields, expected in (
        ("battles.attack", {"enemy_id": 1, "kind": "quick"}, ("refused", "no_player")),
        ("battles.chat", {"text": "hello"}, ("refused", "not_seated")),
        ("battles.leave", {}, ("refused", "not_seated")),
        ("battles.join", {}, ("refused", "no_player")),
        ("battles.claim", {}, ("refused", "no_player")),
        ("players.get", None, ("refused", "no_player")),
    ):
        given = {} if fields is None else {"battle_id": battle_id, **fields}
        answer = await gone.ask(name, **given)
        assert not answer["ok"], name
        assert (answer["error"]["code"], answer["error"].get("reason")) == expected, name
    answer = await gone.ask("rooms.join", room=player_room(gone.identity.id))
    assert answer["error"]["code"] == "not_found"
    struck = await other.ok("battles.attack", battle_id=battle_id, enemy_id=1, kind="quick")
    assert struck["damage"] > 0
    battle = (await house.here.service(Battles).get(battle_id)).committed.battle
    assert not battle.seats[gone.identity.id].seated
    assert not gone.closed
    await house.here.service(Rights).look()
    assert gone.closed


async def test_a_place_that_is_being_taken_is_given_up_too(house: House) -> None:
    """Deleted again and again while they go from battle to battle: none keeps a seat."""
    boss = await house.admin()
    for n in range(5):
        gone = await house.player(f"gone-{n}")
        battles = [
            key
            for key, line in house.here.service(Battles).pool.waiting.items()
            if line.required_level == 1
        ]
        asked = []
        for battle_id in battles:
            asked.append(gone.ask("battles.join", battle_id=battle_id))
            asked.append(gone.ask("battles.leave", battle_id=battle_id))
        asked.append(gone.ask("battles.join", battle_id=battles[0]))
        await asked[n % len(asked)]
        answer = await boss.ask("users.delete", user_id=gone.identity.id)
        assert answer["ok"], answer
        await house.here.gateway.dispatch.settle()
        await house.here.service(BattleService).fill_pool()
    seated = await rows(house.url, "select player_id, seated from battle_seats")
    assert [who for who, is_seated in seated if is_seated] == []


async def test_a_deletion_and_a_change_at_once_do_not_both_stand(house: House) -> None:
    boss, gone = await house.admin(), await house.add("gone")
    other = await Ear(house.here, boss.identity).open()
    there = house.there

    async def set_email(work: Work, _: int) -> None:
        user = await there.service(Users).by_id(gone)
        if user is not None:
            await there.service(People).update(work, user, email="gone@example.org")

    answers = await asyncio.gather(
        boss.ask("users.delete", user_id=gone, request_id=uuid7()),
        other.ask("users.update", user_id=gone, role="viewer", request_id=uuid7()),
        there.service(Rights).change(set_email),
        return_exceptions=True,
    )
    assert isinstance(answers[0], dict)
    assert answers[0]["ok"]
    assert gone not in await house.ids("users", "id")
    assert await house.here.service(Users).by_email("gone@example.org") is None
    with pytest.raises(Failure, match="username is taken"):
        await house.add("gone")
    with pytest.raises(Failure):
        await house.here.service(Auth).people.find(gone)


async def test_nobody_deleted_elsewhere_keeps_a_seat_that_is_taken_meanwhile(house: House) -> None:
    """However the two meet, one of them waits for the other."""
    await house.here.start()
    battle_id = next(
        b for b, w in house.here.service(Battles).pool.waiting.items() if w.required_level == 1
    )
    for n in range(20):
        alice = await house.player(f"alice-{n}")
        await alice.ok("players.get")
        deletion = asyncio.create_task(house.there.service(Accounts).delete(f"alice-{n}"))
        for _ in range(n % 10):
            await asyncio.sleep(0)
        await asyncio.gather(alice.ask("battles.join", battle_id=battle_id), deletion)
    seated = await rows(house.url, "select player_id from battle_seats where seated")
    assert seated == []
