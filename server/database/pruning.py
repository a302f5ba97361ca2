"""Pruning: what has aged leaves the history, in slices that hold nobody up.

A snapshot stands for what is pruned. Of each room stay the newest events, however old, and the
young ones, however many; of replies those that a retry may still ask for.
"""

from collections.abc import Iterator
from typing import Final

from protocol.times import rfc3339
from server.database.connect import Database
from server.database.statement import Statement
from server.database.work import ANY_NUMBER, Stale, Work

SLICE: Final = 500
REPLIES_KEPT_MS: Final = 24 * 3_600_000
"""How long a retry gets its first reply, at least."""
PRUNE_EVERY_S: Final = 60.0

_CROWDED: Final = Statement(
    "history.crowded",
    "select room, seq, first_kept from room_numbers where seq - first_kept >= :most",
)
_MOVE: Final = Statement(
    "history.move_first_kept",
    "update room_numbers set first_kept = :stop where room = :room and first_kept = :start",
)
_NUMBERS: Final = Statement(
    "history.numbers_of", "select seq, first_kept from room_numbers where room = :room"
)
_FORGET: Final = Statement(
    "history.forget",
    "update room_numbers set first_kept ="
    " (select coalesce(max(seq), 0) + 1 from room_events where room = :room)"
    " where room = :room",
)
_DELETE_ALL: Final = Statement("history.delete_all", "delete from room_events where room = :room")
_DELETE: Final = Statement(
    "history.delete",
    "delete from room_events where room = :room and seq >= :start and seq < :stop",
)
_DELETE_ROOM: Final = Statement("history.delete_room", "delete from room_events where room = :room")
_DELETE_NUMBER: Final = Statement(
    "history.delete_number", "delete from room_numbers where room = :room"
)
_FIRST: Final = Statement(
    "history.first", "select coalesce(min(seq), 0) from room_events where room = :room"
)
_FIRST_YOUNG: Final = Statement(
    "history.first_young",
    "select coalesce(min(seq), :stop) from room_events"
    " where room = :room and seq < :stop and at >= :cutoff",
)
_OLD_REPLY: Final = Statement(
    "history.old_reply", "select 1 from kept_replies where at < :cutoff limit 1"
)
_DELETE_REPLIES: Final = Statement(
    "history.delete_replies",
    "delete from kept_replies where (who, request_id) in"
    " (select who, request_id from kept_replies where at < :cutoff order by at limit :most)",
)


class Pruning:
    """Prunes rooms that number their events by a row, and kept replies.

    `events` and `age_ms`: an event stays while it is among so many, or younger than that.
    """

    def __init__(self, database: Database, events: int, age_ms: int) -> None:
        self._database = database
        self.events = events
        self._age_ms = age_ms

    async def prune(self, now: int) -> None:
        """Prune all that has aged by now. Raises Unavailable: the rest is for the next time."""
        young = rfc3339(now - self._age_ms)
        for room, seq, first in await self._database.reader.all(_CROWDED, most=self.events):
            stop = await self._old(room, seq - self.events + 1, young)
            await _prune_room(self._database, room, first, stop)
        await self._prune_replies(now)

    async def prune_log(self, room: str, stop: int, now: int) -> bool:
        """Prune a log below the number that a snapshot stands for.

        Its rows hold replies, so they stay as long as these. Returns whether any row below stays.
        Raises Unavailable.
        """
        row = await self._database.reader.one(_FIRST, room=room)
        assert row is not None
        end = await self._old(room, stop, rfc3339(now - REPLIES_KEPT_MS))
        for start, last in _slices(row[0], end):
            work = Work(rfc3339(now))
            work.change(_DELETE, rows=ANY_NUMBER, room=room, start=start, stop=last)
            await _submit(self._database, work)
        return end < stop

    @staticmethod
    def let_go(work: Work, room: str) -> None:
        """Let go of all of a room in which nothing more will be told, and of its numbers.

        Only for a room of few events. Whoever goes on in it is reset.
        """
        work.change(_DELETE_ROOM, rows=ANY_NUMBER, room=room)
        work.change(_DELETE_NUMBER, rows=ANY_NUMBER, room=room)

    async def _old(self, room: str, stop: int, cutoff: str) -> int:
        """The number up to which, but not with which, all events of a room are old."""
        row = await self._database.reader.one(_FIRST_YOUNG, room=room, stop=stop, cutoff=cutoff)
        assert row is not None
        return int(row[0])

    async def _prune_replies(self, now: int) -> None:
        cutoff = rfc3339(now - REPLIES_KEPT_MS)
        await sweep(self._database, _OLD_REPLY, _DELETE_REPLIES, cutoff=cutoff)


async def sweep(database: Database, some: Statement, delete: Statement, **given: object) -> None:
    """Delete rows that have aged, in slices of `SLICE`.

    `some` reads one of them, if any are left; `delete` deletes at most `:most` of them. Both have
    the parameters `given`. Where another process deletes the same, the rest is for the next time.
    Raises Unavailable.
    """
    while await database.reader.one(some, **given) is not None:
        work = Work(at="")
        work.change(delete, rows=ANY_NUMBER, most=SLICE, **given)
        if not await _submit(database, work):
            return


async def forget(database: Database, work: Work, room: str) -> None:
    """Let a unit delete all that was told in a room that is numbered by a row; its number stays.

    What is more than a unit may hold is pruned before. Raises Unavailable.
    """
    row = await database.reader.one(_NUMBERS, room=room)
    if row is not None:
        seq, first = row
        await _prune_room(database, room, first, seq - SLICE // 2, before=work)
    work.change(_FORGET, rows=ANY_NUMBER, room=room)
    work.change(_DELETE_ALL, rows=ANY_NUMBER, room=room)


async def _prune_room(
    database: Database, room: str, first: int, stop: int, before: Work | None = None
) -> None:
    """Prune what lies between two numbers, in slices. Raises Unavailable.

    `before`: the unit that they make room for. They have its guards, so that nothing is pruned for
    a caller who may not have it committed.
    """
    for start, end in _slices(first, stop):
        work = Work(at="") if before is None else before.ahead()
        work.change(_MOVE, room=room, start=start, stop=end)
        work.change(_DELETE, rows=ANY_NUMBER, room=room, start=start, stop=end)
        if not await _submit(database, work):
            return


async def _submit(database: Database, work: Work) -> bool:
    """Whether it stands: another process may prune the same. Raises Unavailable."""
    try:
        await database.commit(work)
    except Stale:
        return False
    return True


def _slices(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """What lies between, a slice at a time."""
    for first in range(start, stop, SLICE):
        yield first, min(first + SLICE, stop)
