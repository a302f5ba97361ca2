"""The rows of battles. The log of a battle's room is the battle; its row holds a snapshot."""

import secrets
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from sqlalchemy import bindparam, select, text

from protocol import codec
from protocol.battle_events import (
    BattleEvent,
    Created,
    Listed,
    PlayerJoined,
    PlayerLeft,
    RewardClaimed,
)
from protocol.battles import (
    Battle,
    BattleSummary,
    Difficulty,
    HistoryEntry,
    Status,
    battle_room,
    listing_room,
)
from protocol.errors import not_found
from protocol.ids import uuid7
from protocol.message import find
from protocol.pages import Page
from protocol.times import rfc3339
from server.battles import rules
from server.battles.formulas import Rolls
from server.battles.pool import Moved, Pool
from server.battles.state import ENDED, QUIET, apply, fold, history_entry, is_over, seated, summary
from server.battles.tables import battle_seats, battles
from server.database import (
    ANY_NUMBER,
    REPLIES_KEPT_MS,
    Database,
    Entry,
    Listing,
    Pruning,
    Reading,
    Stale,
    StateCache,
    Statement,
    Work,
    descending,
    retry_while_stale,
)
from server.database.history import Kept, after
from server.runtime.clock import Clock
from server.users import User

MAX_CACHED: Final = 5_000
SNAPSHOT_EVERY: Final = 100
MAX_PRUNED: Final = 100
PRUNE_AGAIN_MS: Final = 3_600_000

_INSERT: Final = Statement(
    "battles.insert",
    "insert into battles (battle_id, status, seed, summary, state, state_seq, prune_at)"
    " values (:battle_id, :status, :seed, :summary, :state, :state_seq, :prune_at)",
)
_LOAD: Final = Statement(
    "battles.load", "select seed, state, state_seq from battles where battle_id = :battle_id"
)
_SAVE: Final = Statement(
    "battles.save",
    "update battles set status = :status, summary = :summary, state = :state,"
    " state_seq = :state_seq where battle_id = :battle_id",
)
_LINE: Final = Statement("battles.line", "select summary from battles where battle_id = :battle_id")
_OPEN: Final = Statement(
    "battles.open",
    "select battle_id, summary from battles where status not in ('completed', 'abandoned')"
    " order by battle_id",
)
_LIST: Final = Listing(
    "battles.page",
    select(battles.c.battle_id, battles.c.summary),
    sorts={"newest": descending(battles.c.battle_id)},
    filters={
        "status": battles.c.status == bindparam("status"),
        "open": text("status not in ('completed', 'abandoned')"),  # as its index has it
    },
    untagged=True,
)
_AGED: Final = Statement(
    "battles.aged",
    "select battle_id, status, state_seq from battles where prune_at <= :now"
    " order by prune_at limit :most",
)
_PRUNED: Final = Statement(
    "battles.pruned", "update battles set prune_at = :prune_at where battle_id = :battle_id"
)
_TAKE: Final = (
    "insert into battle_seats (player_id, battle_id, seated, result)"
    " select player_id, cast(:battle_id as text), true, null from players"
    " where player_id = :player_id and not exists (select 1 from battle_seats"
    "  where player_id = :player_id and seated and battle_id <> :battle_id)"
)
_AGAIN: Final = " on conflict (player_id, battle_id) do update set seated = true"
_SIT: Final = Statement("battles.sit", _TAKE + " for key share" + _AGAIN, sqlite=_TAKE + _AGAIN)
"""A deletion of the player by another process waits, and then finds the seat. No row for a player
who is seated elsewhere: PostgreSQL's error of the index would not say whose unit it is."""
_STAND: Final = Statement(
    "battles.stand",
    "update battle_seats set seated = false"
    " where player_id = :player_id and battle_id = :battle_id",
)
_SEATED_ELSEWHERE: Final = Statement(
    "battles.seated_elsewhere",
    "update battle_seats set seated = false"
    " where player_id = :player_id and battle_id <> :battle_id and seated",
)
_STAND_ALL: Final = Statement(
    "battles.stand_all",
    "update battle_seats set seated = false where battle_id = :battle_id and seated",
)
_RESULT: Final = Statement(
    "battles.result",
    "update battle_seats set result = :result"
    " where player_id = :player_id and battle_id = :battle_id",
)
_SEAT_OF: Final = Statement(
    "battles.seat_of", "select battle_id from battle_seats where player_id = :player_id and seated"
)
_SEATS: Final = Statement(
    "battles.seats", "select player_id, battle_id from battle_seats where seated"
)
_HISTORY: Final = Listing(
    "battles.history",
    select(battle_seats.c.battle_id, battle_seats.c.result).where(
        battle_seats.c.player_id == bindparam("player_id"), battle_seats.c.result.is_not(None)
    ),
    sorts={"newest": descending(battle_seats.c.battle_id)},
    untagged=True,
)


class Hosted(msgspec.Struct, frozen=True):
    """A battle with the seed of its rolls, which nobody is told."""

    battle: Battle
    seed: str

    def rolls(self) -> Rolls:
        """The rolls of the next decision."""
        return Rolls(self.seed, self.battle.seq)


Decide = Callable[[Hosted], rules.Events]


def event_of(kept: Kept) -> BattleEvent:
    """An event of a log, as it was kept."""
    spec = find(kept.name)
    assert spec is not None
    event = codec.decode(spec.type, kept.data)
    assert isinstance(event, BattleEvent)
    return event


class Battles:
    """All battles. Whoever changes one records events on a cached entry in a unit of work."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.cache: StateCache[Hosted] = StateCache(self._load, MAX_CACHED)
        self.pool = Pool(clock)

    # ---- reading

    async def _load(self, battle_id: str) -> Hosted | None:
        async with self._database.reader.read_transaction() as reading:
            row = await reading.one(_LOAD, battle_id=battle_id)
            if row is None:
                return None
            seed, state, state_seq = row
            log = await after(reading, battle_room(battle_id), state_seq)
        battle = fold(codec.decode(Battle, state), map(event_of, log))
        return Hosted(battle, seed)

    async def get(self, battle_id: str) -> Entry[Hosted]:
        """The cached entry of a battle. Raises Failure `not_found`."""
        entry = self.cache.get_cached(battle_id) or await self.cache.get(battle_id)
        if entry is None:
            raise not_found("battle")
        return entry

    async def seat_of(self, player_id: str) -> str | None:
        """The battle in which a player has a seat."""
        row = await self._database.reader.one(_SEAT_OF, player_id=player_id)
        return None if row is None else str(row[0])

    @staticmethod
    async def line(reading: Reading, battle_id: str) -> BattleSummary | None:
        """A battle's line."""
        row = await reading.one(_LINE, battle_id=battle_id)
        return None if row is None else codec.decode(BattleSummary, row[0])

    async def page(
        self, status: Status | None, limit: int, cursor: str | None
    ) -> Page[BattleSummary]:
        """Battles of a status, newest first; without one, all that are open."""
        return await _LIST.page(
            self._database.reader,
            lambda row: codec.decode(BattleSummary, row[1]),
            limit=limit,
            cursor=cursor,
            status=status,
            open=True if status is None else None,
        )

    async def history(self, player_id: str, limit: int, cursor: str | None) -> Page[HistoryEntry]:
        """A player's past battles, newest first."""
        return await _HISTORY.page(
            self._database.reader,
            lambda row: codec.decode(HistoryEntry, row[1]),
            limit=limit,
            cursor=cursor,
            player_id=player_id,
        )

    async def resume(self) -> None:
        """Take up what is open, at start: what is under way is looked at at once."""
        for _, line in await self._database.reader.all(_OPEN):
            self.pool.resume(codec.decode(BattleSummary, line))
        self.pool.seats.update(await self._database.reader.all(_SEATS))

    # ---- changing

    async def offer(self, difficulty: Difficulty, required_level: int, now: int) -> None:
        """Put a new battle into the pool. Raises WriteConflict, Unavailable."""
        await retry_while_stale(partial(self._offer, difficulty, required_level, now))

    async def _offer(self, difficulty: Difficulty, required_level: int, now: int) -> None:
        battle_id, seed = uuid7(now), secrets.token_hex(16)
        offered = rules.offer(battle_id, difficulty, required_level, now, Rolls(seed, 0))
        created = Created(battle_id=battle_id, battle=offered)
        battle = apply(offered, created)
        work = Work(rfc3339(now))
        work.change(
            _INSERT,
            battle_id=battle_id,
            status=battle.status,
            seed=seed,
            summary=codec.encode(summary(battle)).decode(),
            state=codec.encode(battle).decode(),
            state_seq=battle.seq,
            prune_at=now + REPLIES_KEPT_MS,
        )
        work.publish(created, seq=battle.seq)
        work.on_commit(lambda: self.pool.offer(summary(battle)))
        await self._database.commit(work)

    async def prune(self, pruning: Pruning, now: int) -> None:
        """Prune the logs that have aged, below the snapshots of their battles.

        With the log of a battle that is over goes all that was told of its line.

        Raises Unavailable; the rest is then for the next time.
        """
        while rows := await self._database.reader.all(_AGED, now=now, most=MAX_PRUNED):
            for battle_id, status, state_seq in rows:
                aged = battle_id, Status(status), state_seq
                await retry_while_stale(partial(self._prune, pruning, *aged, now))

    async def _prune(
        self, pruning: Pruning, battle_id: str, status: Status, state_seq: int, now: int
    ) -> None:
        ended = status in ENDED
        stop = state_seq if ended else state_seq - pruning.events
        more = await pruning.prune_log(battle_room(battle_id), stop, now)
        work = Work(rfc3339(now))
        if more or not ended:
            again = now + PRUNE_AGAIN_MS
        else:
            again = None
            pruning.let_go(work, listing_room(battle_id))
        work.change(_PRUNED, battle_id=battle_id, prune_at=again)
        await self._database.commit(work)

    def record(self, work: Work, entry: Entry[Hosted], events: rules.Events) -> Battle:
        """Add events to a battle's log, and all that follows from them. Returns it as it will be.

        `events` were decided on the entry's pending state, with no wait in between.
        """
        hosted = entry.pending
        battle = before = hosted.battle
        quiet = True
        for event in events:
            battle = apply(battle, event)
            work.publish(event, seq=battle.seq)
            quiet = quiet and type(event) in QUIET
        listed = not quiet and self._record_around(work, before, battle, events)
        if listed or battle.seq // SNAPSHOT_EVERY != before.seq // SNAPSHOT_EVERY:
            self._save(work, battle)
        work.swap(entry, Hosted(battle, hosted.seed))
        return battle

    def _record_around(
        self, work: Work, before: Battle, battle: Battle, events: rules.Events
    ) -> bool:
        """What follows for seats, lists and time. Returns whether the battle's line changes."""
        moved: Moved = {}
        for event in events:
            moved |= self._record_seat(work, battle, event)
        line = summary(battle)
        changed = line != summary(before)
        if changed:
            work.publish(Listed(battle=line))
        if is_over(battle) and not is_over(before):
            moved |= self._record_end(work, battle)
        if moved:
            work.on_commit(lambda: self.pool.move(moved))
        work.on_commit(lambda: self.pool.plan(battle))
        return changed

    async def carry_out(self, battle_id: str, decide: Decide, now: int) -> None:
        """Decide something that no player asked for, again while others are faster.

        Raises Failure `not_found`, WriteConflict.
        """

        async def attempt() -> None:
            entry = await self.get(battle_id)
            events = decide(entry.pending)
            if not events:
                self.pool.plan(entry.committed.battle)  # what is under way may fall
                return
            work = Work(rfc3339(now))
            self.record(work, entry, events)
            await self._database.commit(work)

        await retry_while_stale(attempt)

    async def vacate_seat(self, work: Work, user: User, now: int) -> None:
        """Vacate the seat of a user who is deleted. Their name stays in the log.

        Raises Stale where they take another seat at the same moment.
        """
        battle_id = await self.seat_of(user.id)
        # Touching a row would mean that there is a seat which is not known here.
        work.change(_SEATED_ELSEWHERE, rows=0, player_id=user.id, battle_id=battle_id or "")
        if battle_id is None:
            return
        entry = await self.get(battle_id)
        events = rules.vacate(entry.pending.battle, user.id, now)
        if not events:  # the end of the battle is under way, or the seat was taken elsewhere
            await entry.wait_idle()
            self.cache.drop(battle_id)
            raise Stale("the seat is not known here")
        self.record(work, entry, events)

    @staticmethod
    def _save(work: Work, battle: Battle) -> None:
        work.change(
            _SAVE,
            battle_id=battle.battle_id,
            status=battle.status,
            summary=codec.encode(summary(battle)).decode(),
            state=codec.encode(battle).decode(),
            state_seq=battle.seq,
        )

    @staticmethod
    def _record_seat(work: Work, battle: Battle, event: BattleEvent) -> Moved:
        """The rows of whom an event moves. Returns where these have a seat then."""
        if isinstance(event, PlayerJoined):
            player_id = event.seat.player_id
            work.change(_SIT, player_id=player_id, battle_id=battle.battle_id)
            return {player_id: battle.battle_id}
        if isinstance(event, PlayerLeft):
            work.change(_STAND, player_id=event.player_id, battle_id=battle.battle_id)
            return {event.player_id: None}
        if isinstance(event, RewardClaimed):
            _record_result(work, battle, event.player_id)
        return {}

    @staticmethod
    def _record_end(work: Work, battle: Battle) -> Moved:
        """The rows of a battle that is over. Returns whom that leaves without a seat."""
        work.change(_STAND_ALL, rows=ANY_NUMBER, battle_id=battle.battle_id)
        for player_id in battle.seats:
            _record_result(work, battle, player_id)
        return {seat.player_id: None for seat in seated(battle)}


def _record_result(work: Work, battle: Battle, player_id: str) -> None:
    entry = codec.encode(history_entry(battle, player_id)).decode()
    work.change(_RESULT, player_id=player_id, battle_id=battle.battle_id, result=entry)
