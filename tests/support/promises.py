"""What must be true after any fault: every promise that was made is kept, and only once."""

from collections import Counter, defaultdict

import msgspec

from protocol.battles import Battle
from protocol.message import find
from server.battles.state import apply
from server.players.rules import START_GOLD
from tests.support.fighters import Band
from tests.support.server import Server
from tests.support.verified import verified


async def all_kept(server: Server, band: Band) -> None:
    """Check the database of a server that was stopped against what a band was told."""
    await every_acked_command_was_applied_once(server, band)
    await the_history_is_what_clients_were_told(server, band)
    await gold_is_what_it_was_at_the_start_and_rewards(server)
    await battles_are_what_their_logs_say(server)
    await verified(server.database)


async def every_acked_command_is_answered_as_before(band: Band) -> int:
    asked = 0
    for fighter in band.fighters:
        for (name, fields), data in fighter.acked.values():
            if asked % 7 == 0:
                assert await fighter.person.ok(name, **fields) == data
            asked += 1
        fighter.remember()
    return asked


async def every_acked_command_was_applied_once(server: Server, band: Band) -> None:
    kept = Counter(
        await server.rows(
            "select who, request_id from room_events where request_id is not null"
            " union all select who, request_id from kept_replies",
        )
    )
    assert set(kept.values()) == {1}
    for fighter in band.fighters:
        for request_id, ((name, _), _) in fighter.acked.items():
            assert (fighter.person.id, request_id) in kept, name


async def the_history_is_what_clients_were_told(server: Server, band: Band) -> None:
    log = {
        (room, seq): (name, msgspec.json.decode(data))
        for room, seq, name, data in await server.rows(
            "select room, seq, name, data from room_events"
        )
    }
    told = 0
    for fighter in band.fighters:
        for place, event in fighter.seen.items():
            assert log[place] == event
            told += 1
    assert told > 1000


async def gold_is_what_it_was_at_the_start_and_rewards(server: Server) -> None:
    gold = dict(await server.rows("select player_id, gold from players"))
    earned: Counter[str] = Counter()
    for (data,) in await server.rows(
        "select data from room_events where name = 'battles.reward_claimed'"
    ):
        event = msgspec.json.decode(data)
        earned[event["player_id"]] += event["gold"]
    assert sum(earned.values()) > 0
    assert gold == {player_id: START_GOLD + earned[player_id] for player_id in gold}


async def battles_are_what_their_logs_say(server: Server) -> None:
    logs: defaultdict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for room, *event in await server.rows(
        "select room, seq, name, data from room_events order by room, seq"
    ):
        logs[room].append((event[0], event[1], event[2]))
    for battle_id, state, state_seq in await server.rows(
        "select battle_id, state, state_seq from battles"
    ):
        snapshot = msgspec.json.decode(state, type=Battle)
        battle = None
        log = logs[f"battle:{battle_id}"]
        assert [seq for seq, _, _ in log] == list(range(1, len(log) + 1))
        for seq, name, data in log:
            spec = find(name)
            assert spec is not None
            event = msgspec.json.decode(data, type=spec.type)
            battle = apply(battle or event.battle, event)
            if seq == state_seq:
                assert battle == snapshot
        assert state_seq <= len(log)
