"""As many battles and players as somebody wants, put into a database at once."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from typing import Any, Final, NamedTuple

import asyncpg

from protocol import codec
from protocol.battle_events import Abandoned, AbandonReason, BattleEvent, Created
from protocol.battles import Battle, Difficulty, Status, battle_room
from protocol.ids import uuid7
from protocol.message import spec_of
from protocol.times import rfc3339
from server.battles import rules
from server.battles.formulas import Rolls
from server.battles.state import fold, summary
from server.players.rules import Record, start

BEGAN_MS: Final = 1_700_000_000_000
SEED: Final = "0" * 32

_numbers = count()

Rows = dict[str, list[dict[str, Any]]]
"""By table."""


class Many(NamedTuple):
    """How many of each there shall be. In each battle under way one player has a seat."""

    waiting: int = 0
    in_progress: int = 0
    over: int = 0
    players: int = 0


async def fill(url: str, many: Many, now_ms: int = BEGAN_MS) -> None:
    """Put them into a database that is up to date, with nobody writing beside."""
    rows: Rows = {
        table: [] for table in ("users", "players", "battles", "battle_seats", "room_events")
    }
    for _ in range(many.players):
        _add_player(rows, now_ms)
    for status, number in (
        (Status.ABANDONED, many.over),
        (Status.IN_PROGRESS, many.in_progress),
        (Status.WAITING, many.waiting),
    ):
        for _ in range(number):
            _add_battle(rows, status, now_ms)
    await _write(url, rows)


def _add_player(rows: Rows, now: int) -> Record:
    number = next(_numbers)
    name = f"many{number}"
    record = start(uuid7(now), name, now)
    user = {"id": record.player_id, "username": name, "username_key": name, "role": "player"}
    more = {"email": None, "email_key": None, "password_hash": "", "disabled": False}
    rows["users"].append({**user, **more, "created_at": now})
    rows["players"].append(
        {field: getattr(record, field) for field in Record.__struct_fields__}
        | {"level": 1 + number % 30, "exp": number % 30_000}
    )
    return record


def _add_battle(rows: Rows, status: Status, now: int) -> None:
    battle_id = uuid7(now)
    offered = rules.offer(battle_id, Difficulty.EASY, 1, now, Rolls(SEED, 0))
    battle = _told(rows, offered, Created(battle_id=battle_id, battle=offered), at=now)
    if status is not Status.WAITING:
        player = _add_player(rows, now)
        events = rules.join(battle, player, now, Rolls(SEED, battle.seq))
        battle = _told(rows, battle, *events, at=now)
        seat = {"player_id": player.player_id, "battle_id": battle_id, "result": None}
        rows["battle_seats"].append({**seat, "seated": status is Status.IN_PROGRESS})
    if status is Status.ABANDONED:
        reason = AbandonReason.NOBODY_SEATED
        end = Abandoned(battle_id=battle_id, reason=reason, at=rfc3339(now))
        battle = _told(rows, battle, end, at=now)
    assert battle.status is status
    rows["battles"].append(
        {
            "battle_id": battle_id,
            "status": status,
            "seed": SEED,
            "summary": codec.encode(summary(battle)).decode(),
            "state": codec.encode(battle).decode(),
            "state_seq": battle.seq,
            "prune_at": None,
        }
    )


def _told(rows: Rows, battle: Battle, *events: BattleEvent, at: int) -> Battle:
    """The battle after events, which stand in its log."""
    for event in events:
        battle = fold(battle, [event])
        rows["room_events"].append(
            {
                "room": battle_room(battle.battle_id),
                "seq": battle.seq,
                "at": rfc3339(at),
                "name": spec_of(type(event)).name,
                "data": codec.encode(event).decode(),
            }
        )
    return battle


async def _write(url: str, rows: Rows) -> None:
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            for table, columns, values in _tables(rows):
                places = ", ".join("?" * len(columns))
                text = f"insert into {table} ({', '.join(columns)}) values ({places})"  # noqa: S608
                connection.executemany(text, values)
            connection.commit()
        return
    opened = await asyncpg.connect(url)
    try:
        for table, columns, values in _tables(rows):
            await opened.copy_records_to_table(table, records=values, columns=columns)
        await opened.execute("analyze")
    finally:
        await opened.close()


def _tables(rows: Rows) -> Iterator[tuple[str, list[str], list[tuple[Any, ...]]]]:
    for table, found in rows.items():
        if found:
            yield table, list(found[0]), [tuple(row.values()) for row in found]
