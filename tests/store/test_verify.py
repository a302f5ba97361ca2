"""What is stored holds together; each invariant is violated on purpose, and that is found."""

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from protocol.battles import battle_room
from protocol.ids import uuid7
from protocol.permissions import Role
from protocol.users import user_room
from server.app import opened
from server.auth import Auth
from server.battles import Battles, BattleService
from server.config import Settings
from server.database import check_revision, migrate
from server.database.url import is_postgres
from server.domains import INVARIANTS
from tests.support.clock import ManualClock
from tests.support.ear import Ear, player
from tests.support.engines import copied, database, execute, on_both_engines
from tests.support.people import PASSWORD
from tests.support.postgres import Postgres
from tests.support.verified import verified, violated

NEWEST = 10**9
UNBIND = "alter table players drop constraint fk_players_player_id"
"""PostgreSQL's: SQLite does not look at foreign keys here."""
SEAT = "insert into battle_seats (player_id, battle_id, seated, result)"
LEDGER = "insert into ledger (id, player_id, at, currency, amount, balance_after, why, ref)"
CHANGE = (
    "insert into rights_changes (version, who, why, at)"
    " select 2 + coalesce(max(version), 0), 'x', 'disabled', 0 from rights_changes"
)

VIOLATIONS: dict[str, tuple[list[str], set[str]]] = {
    "no epoch": (["delete from facts where name = 'epoch'"], {"history.epoch"}),
    "a number that was taken and never told": (
        ["update room_numbers set seq = seq + 1 where room = '{user}'"],
        {"history.numbers"},
    ),
    "events that are pruned and not gone": (
        ["update room_numbers set first_kept = first_kept + 1 where room = '{user}'"],
        {"history.numbers"},
    ),
    "an event that is lost": (
        ["delete from room_events where room = '{log}' and seq = 2"],
        {"history.no_holes"},
    ),
    "a room that lost its numbers": (
        ["delete from room_numbers where room = '{user}'"],
        {"history.numbering"},
    ),
    "a log that is numbered by a row": (
        [
            "insert into room_numbers (room, seq, first_kept)"
            " select room, max(seq), min(seq) from room_events where room = '{log}' group by room"
        ],
        {"history.numbering"},
    ),
    "a request with two replies": (
        [
            "insert into kept_replies (who, request_id, digest, reply, at)"
            " select who, request_id, digest, reply, at from room_events"
            " where request_id is not null limit 1"
        ],
        {"history.replies"},
    ),
    "no admin": (["update users set role = 'user' where role = 'admin'"], {"users.an_admin"}),
    "an admin who may not log in": (
        ["update users set disabled = true where role = 'admin'"],
        {"users.an_admin"},
    ),
    "a token of nobody": (
        ["update refresh_tokens set user_id = 'nobody' where user_id = '{ada}'"],
        {"auth.tokens_of_users"},
    ),
    "a change of rights that is lost": ([CHANGE], {"auth.rights_numbers"}),
    "gold from nowhere": (
        ["update players set gold = gold + 1 where player_id = '{ada}'"],
        {"players.ledger_sums", "players.ledger_runs"},
    ),
    "gems from nowhere": (
        ["update players set gems = 7 where player_id = '{ada}'"],
        {"players.ledger_sums", "players.ledger_runs"},
    ),
    "no opening": (
        ["delete from ledger where player_id = '{ada}'"],
        {"players.ledger_sums", "players.ledger_runs"},
    ),
    "a deleted player who has something": (
        ["delete from ledger where player_id = '{gone}' and why = 'deleted'"],
        {"players.ledger_sums", "players.ledger_runs"},
    ),
    "a wrong balance on the way": (
        ["update ledger set balance_after = balance_after + 1 where player_id = '{ada}'"],
        {"players.ledger_runs"},
    ),
    "a debt on the way": (
        [
            LEDGER + " values ('1', '{ada}', 1, 'gold', -1500, -500, 'x', null)",
            LEDGER + " values ('2', '{ada}', 2, 'gold', 1500, 1000, 'x', null)",
        ],
        {"players.no_debt"},
    ),
    "a reward that was taken twice": (
        [
            LEDGER + " values ('1', '{ada}', 1, 'gold', 5, 1005, 'reward', '{over}')",
            LEDGER + " values ('2', '{ada}', 2, 'gold', 5, 1010, 'reward', '{over}')",
            "update players set gold = 1010 where player_id = '{ada}'",
        ],
        {"players.one_reward"},
    ),
    "a user without a player": (
        [
            "delete from players where player_id = '{ben}'",
            "delete from ledger where player_id = '{ben}'",
        ],
        {"players.of_users"},
    ),
    "a player without a user": (
        [UNBIND, "delete from users where id = '{ben}'"],
        {"players.of_users", "auth.tokens_of_users"},
    ),
    "a snapshot ahead of its log": (
        ["update battles set state_seq = state_seq + 100 where battle_id = '{open}'"],
        {"battles.logs"},
    ),
    "a log that begins after its snapshot": (
        [
            "update battles set state_seq = 1 where battle_id = '{over}'",
            "delete from room_events where room = 'battle:{over}' and seq < 4",
        ],
        {"battles.logs"},
    ),
    "a log of no battle": (
        ["update room_events set room = 'battle:none' where room = '{log}'"],
        {"battles.logs", "battles.known_logs"},
    ),
    "a battle that can't be read": (
        ["update battles set state = '{{}}' where battle_id = '{open}'"],
        {"battles.rows"},
    ),
    "a line that is another": (
        ["update battles set summary = replace(summary, '\"players\":', '\"players\":1')"],
        {"battles.rows"},
    ),
    "an open battle that is over": (
        ["update battles set status = 'in_progress' where battle_id = '{over}'"],
        {"battles.rows", "battles.results"},
    ),
    "a seat that is lost": (
        ["update battle_seats set seated = false where player_id = '{ada}'"],
        {"battles.rows"},
    ),
    "a seat that was never taken": (
        [SEAT + " values ('{ben}', '{open}', true, null)"],
        {"battles.rows"},
    ),
    "two seats of one player": (
        [
            "drop index ix_battle_seats_player_id",
            "update battle_seats set seated = true where player_id = '{ada}'",
        ],
        {"battles.one_seat", "battles.rows"},
    ),
    "a seat of nobody": (
        [SEAT + " values ('nobody', '{open}', true, null)"],
        {"battles.seats_of_players", "battles.rows"},
    ),
    "no result": (
        ["update battle_seats set result = null where player_id = '{ada}'"],
        {"battles.results"},
    ),
    "a result before the end": (
        ["update battle_seats set result = '{{}}' where battle_id = '{open}'"],
        {"battles.results"},
    ),
}
"""What is done to the rows, and the invariants that break by it."""


class Made(NamedTuple):
    """A database in which something of everything has happened, and where."""

    url: str
    ada: str
    ben: str
    gone: str
    open: str
    over: str


async def make(url: str, folder: Path) -> Made:
    """Users who fight, leave, are paid and deleted; a battle under way and one that is over."""
    clock = ManualClock()
    settings = Settings(data_dir=folder, database_url=url, password_hash_cost=4)
    async with opened(settings, clock) as app:
        await app.start()
        ids = {
            n: (await app.service(Auth).add(n, PASSWORD, Role.PLAYER)).user.id
            for n in ("ada", "ben")
        }
        gone = (await app.service(Auth).add("gone", PASSWORD, Role.PLAYER)).user.id
        boss = await app.service(Auth).add("boss", PASSWORD, Role.ADMIN)
        token = boss.tokens.access_token
        admin = await Ear(app, await app.gateway.authenticate({"token": token})).open()
        waiting = app.service(Battles).pool.waiting
        over = next(b for b, line in waiting.items() if line.required_level == 1)
        ears = {n: await Ear(app, player(i, n)).open() for n, i in {**ids, "gone": gone}.items()}
        for ear in ears.values():
            await ear.ok("battles.join", battle_id=over)
        for name in ("ada", "ben", "gone"):
            await ears[name].ok("battles.attack", battle_id=over, enemy_id=1, request_id=uuid7())
            await ears[name].ok("battles.leave", battle_id=over, request_id=uuid7())
        clock.advance(301)
        await app.service(BattleService).tick()
        assert over not in app.service(Battles).pool
        other = next(b for b, line in waiting.items() if line.required_level == 1)
        await ears["ada"].ok("battles.join", battle_id=other)
        await ears["gone"].ok("battles.join", battle_id=other)
        await ears["ada"].ok("battles.chat", battle_id=other, text="hello")
        await admin.ok("users.update", user_id=ids["ben"], email="ben@example.org")
        await admin.ok("users.delete", user_id=gone)
        await app.gateway.dispatch.settle()
    return Made(url, ids["ada"], ids["ben"], gone, other, over)


@pytest.fixture
async def made(tmp_path: Path, engine: str, postgres: Postgres | None) -> Made:
    return await make(await database(engine, postgres, tmp_path / "made.db"), tmp_path)


@on_both_engines
async def test_each_violation_is_found_and_no_other(made: Made, tmp_path: Path) -> None:
    await verified(made.url)
    names = {**made._asdict(), "log": battle_room(made.open), "user": user_room(made.ben)}
    for number, (name, (statements, expected)) in enumerate(VIOLATIONS.items()):
        url = await copied(made.url, tmp_path / f"{number}.db")
        done = [each.format(**names) for each in statements if each != UNBIND or is_postgres(url)]
        await execute(url, *done)
        assert await violated(url) == expected, name
    await verified(made.url)


def test_each_invariant_is_violated_here() -> None:
    """So that none is added that nothing could violate."""
    broken = {name for _, expected in VIOLATIONS.values() for name in expected}
    assert broken == {invariant.name for invariant in INVARIANTS}
    assert len(INVARIANTS) == len({invariant.name for invariant in INVARIANTS})


@on_both_engines
async def test_a_new_database_has_nothing_to_violate(
    tmp_path: Path, engine: str, postgres: Postgres | None
) -> None:
    url = await database(engine, postgres, tmp_path / "new.db")
    with pytest.raises(ValueError, match="no revision"):
        await asyncio.to_thread(check_revision, url)
    await asyncio.to_thread(migrate, url)
    await asyncio.to_thread(check_revision, url)
    await verified(url)
