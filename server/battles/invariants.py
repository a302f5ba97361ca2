"""What is always true of the rows of battles and of seats."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from protocol import codec
from protocol.battle_events import ChatSaid, EnemyDefeated, Struck
from protocol.battles import Battle, BattleSummary, battle_room
from protocol.errors import Failure
from protocol.message import spec_of
from server.battles.state import fold, is_over, seated, summary
from server.battles.store import event_of
from server.database import CheckResult, Invariant, Reading, Row, Statement, rows
from server.database.history import Kept
from server.database.invariants import EXAMPLES

PAGE: Final = 100
"""Battles that are read at once: some megabytes, where all have a hundred participants."""

_LOGS: Final = Statement(
    "battles.check_logs",
    # Grouped, not joined: no planner knows how many rooms there are, nor that these are few.
    "select battle_id, max(state_seq), coalesce(min(oldest), 1), coalesce(max(newest), 0),"
    " count(*) over () from ("
    "  select battle_id, state_seq, cast(null as bigint) as oldest, cast(null as bigint) as newest"
    "   from battles union all"
    "  select substr(room, length(cast(:room as text)) + 1), null, min(seq), max(seq)"
    "   from room_events where room like cast(:room as text) || '%' group by room) as logs"
    " group by battle_id"
    " having max(state_seq) > coalesce(max(newest), 0) or max(state_seq) < min(oldest) - 1"
    " order by battle_id limit :most",
)
_UNKNOWN: Final = Statement(
    "battles.check_unknown",
    "select e.room, count(*) over () from"
    " (select distinct room from room_events where room like cast(:room as text) || '%') as e"
    " where not exists (select 1 from battles b"
    "  where b.battle_id = substr(e.room, length(cast(:room as text)) + 1))"
    " order by e.room limit :most",
)
_ONE_SEAT: Final = Statement(
    "battles.check_one_seat",
    "select player_id, count(*), count(*) over () from battle_seats where seated"
    " group by player_id having count(*) > 1 order by player_id limit :most",
)
_SEATS_PLAYERS: Final = Statement(
    "battles.check_seats_players",
    "select s.player_id, s.battle_id, count(*) over () from battle_seats s"
    " where s.seated and not exists (select 1 from players p where p.player_id = s.player_id)"
    " order by s.player_id, s.battle_id limit :most",
)
_RESULTS: Final = Statement(
    "battles.check_results",
    "select s.player_id, s.battle_id, b.status, count(*) over ()"
    " from battle_seats s left join battles b on b.battle_id = s.battle_id"
    " where b.status is null"
    " or (b.status in ('completed', 'abandoned')) <> (s.result is not null)"
    " order by s.player_id, s.battle_id limit :most",
)
_BATTLES: Final = Statement(
    "battles.check_battles",
    "select battle_id, status, summary, state from battles where battle_id > :after"
    " order by battle_id limit :count",
)
_EVENTS: Final = Statement(
    "battles.check_events",
    "select b.battle_id, e.seq, e.at, e.name, e.data from battles b"
    " join room_events e on e.room = cast(:room as text) || b.battle_id and e.seq > b.state_seq"
    " where b.battle_id > :after and b.battle_id <= :last"
    " and e.name not in (:struck, :defeated, :said) order by b.battle_id, e.seq",
)
"""Without those that are most of all events, and change neither a battle's row nor a seat."""
_SEATED: Final = Statement(
    "battles.check_seated",
    "select battle_id, player_id from battle_seats"
    " where seated and battle_id > :after and battle_id <= :last",
)
_ROOM: Final = battle_room.prefix
_QUIET: Final = {
    "struck": spec_of(Struck).name,
    "defeated": spec_of(EnemyDefeated).name,
    "said": spec_of(ChatSaid).name,
}


async def _check_rows(reading: Reading) -> CheckResult:
    """A snapshot and the log after it say what a battle is: no SQL can tell."""
    count, examples, last = 0, [], ""
    while battles := await reading.all(_BATTLES, after=last, count=PAGE):
        after, last = last, battles[-1][0]
        log: defaultdict[str, list[Kept]] = defaultdict(list)
        page = {"room": _ROOM, "after": after, "last": last}
        for battle_id, *kept in await reading.all(_EVENTS, **page, **_QUIET):
            log[battle_id].append(Kept(*kept))
        seats: defaultdict[str, set[str]] = defaultdict(set)
        for battle_id, player_id in await reading.all(_SEATED, after=after, last=last):
            seats[battle_id].add(player_id)
        for row in battles:
            if odd := ", ".join(_odd(row, log[row[0]], seats[row[0]])):
                count += 1
                examples.append(f"battle {row[0]}: {odd}")
        del examples[EXAMPLES:]
    return CheckResult(count, tuple(examples))


def _odd(row: Row, log: list[Kept], seats: set[str]) -> Iterator[str]:
    """What of a battle's row and seats is not as its snapshot and log say."""
    battle_id, status, line, state = row
    try:
        battle = fold(codec.decode(Battle, state), map(event_of, log))
        stored = codec.decode(BattleSummary, line)
    except (Failure, KeyError, TypeError, AssertionError) as e:
        yield f"it can't be read ({type(e).__name__})"
        return
    if battle.battle_id != battle_id:
        yield f"it holds the battle {battle.battle_id}"
    if status != battle.status:
        yield f"its status is {status}, by its log {battle.status}"
    if stored != summary(battle):
        yield "its line is another by its log"
    logged = set() if is_over(battle) else {seat.player_id for seat in seated(battle)}
    if missing := logged - seats:
        yield f"no seat for {', '.join(sorted(missing))}"
    if more := seats - logged:
        yield f"a seat for {', '.join(sorted(more))}"


INVARIANTS: Final = (
    Invariant(
        "battles.logs",
        "a battle's snapshot is within its log",
        rows(_LOGS, "battle {}: snapshot at {}, log from {} to {}", room=_ROOM),
    ),
    Invariant("battles.known_logs", "a log is of a battle", rows(_UNKNOWN, "room {}", room=_ROOM)),
    Invariant(
        "battles.rows",
        "a battle's row and its seats are what its log says",
        _check_rows,
    ),
    Invariant(
        "battles.one_seat",
        "a player has a seat in one battle at most",
        rows(_ONE_SEAT, "player {}: {} seats"),
    ),
    Invariant(
        "battles.seats_of_players",
        "whose seat is taken is a player",
        rows(_SEATS_PLAYERS, "player {}, battle {}"),
    ),
    Invariant(
        "battles.results",
        "a participant has a result once the battle is over, and not before",
        rows(_RESULTS, "player {}, battle {} ({})"),
    ),
)
