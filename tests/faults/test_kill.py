"""kill -9 in the middle of fighting: every promise that was made is kept, and only once."""

import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from protocol.battles import Battle
from protocol.message import find
from server.battles.state import apply
from tests.support.fighters import Band
from tests.support.server import Server

KILLS = 5
FIGHTERS = 50


def rows(server: Server, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(Path(server.data_dir) / "warroom.db")) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.slow
async def test_what_was_promised_survives_five_kills(own_server: Server) -> None:
    moments = random.Random(20_26)
    band = Band()
    await band.gather(own_server, FIGHTERS)
    for _ in range(KILLS):
        await band.fight_until(moments.randint(100, 700), own_server.kill)
        await own_server.start()
    await band.settle()

    assert await _every_acked_command_is_answered_as_before(band) > KILLS * 100
    await band.close()
    assert await own_server.stop() == 0

    _every_acked_command_was_applied_once(own_server, band)
    _the_history_is_what_clients_were_told(own_server, band)
    _gold_is_what_it_was_at_the_start_and_rewards(own_server)
    _battles_are_what_their_logs_say(own_server)


async def _every_acked_command_is_answered_as_before(band: Band) -> int:
    asked = 0
    for fighter in band.fighters:
        for (name, fields), data in fighter.acked.values():
            if asked % 7 == 0:
                assert await fighter.person.ok(name, **fields) == data
            asked += 1
        fighter.remember()
    return asked


def _every_acked_command_was_applied_once(server: Server, band: Band) -> None:
    kept = Counter(
        rows(
            server,
            "select who, request_id from room_events where request_id is not null"
            " union all select who, request_id from kept_replies",
        )
    )
    assert set(kept.values()) == {1}
    for fighter in band.fighters:
        for request_id, ((name, _), _) in fighter.acked.items():
            assert (fighter.person.id, request_id) in kept, name


def _the_history_is_what_clients_were_told(server: Server, band: Band) -> None:
    log = {
        (room, seq): (name, msgspec.json.decode(data))
        for room, seq, name, data in rows(server, "select room, seq, name, data from room_events")
    }
    told = 0
    for fighter in band.fighters:
        for place, event in fighter.seen.items():
            assert log[place] == event
            told += 1
    assert told > 1000


def _gold_is_what_it_was_at_the_start_and_rewards(server: Server) -> None:
    gold = dict(rows(server, "select player_id, gold from players"))
    earned: Counter[str] = Counter()
    for (data,) in rows(
        server, "select data from room_events where name = 'battles.reward_claimed'"
    ):
        event = msgspec.json.decode(data)
        earned[event["player_id"]] += event["gold"]
    assert sum(earned.values()) > 0
    assert gold == {player_id: 1000 + earned[player_id] for player_id in gold}
    ledger = dict(rows(server, "select player_id, sum(amount) from ledger group by player_id"))
    assert ledger == dict(earned)


def _battles_are_what_their_logs_say(server: Server) -> None:
    for battle_id, state, state_seq in rows(
        server, "select battle_id, state, state_seq from battles"
    ):
        snapshot = msgspec.json.decode(state, type=Battle)
        battle = None
        log = sqlite3.connect(server.data_dir / "warroom.db")
        with closing(log):
            found = log.execute(
                "select seq, name, data from room_events where room = ? order by seq",
                (f"battle:{battle_id}",),
            ).fetchall()
        assert [seq for seq, _, _ in found] == list(range(1, len(found) + 1))
        for seq, name, data in found:
            spec = find(name)
            assert spec is not None
            event = msgspec.json.decode(data, type=spec.type)
            battle = apply(battle or event.battle, event)
            if seq == state_seq:
                assert battle == snapshot
        assert state_seq <= len(found)
