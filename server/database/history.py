"""Reading the history of kept events, and the replies that are kept with them.

`work.py` writes them. `epoch` names the numbering of the whole database: it changes only where
history was lost.
"""

from typing import Final, NamedTuple

from protocol.ids import uuid7
from server.database.read_connection import Reading
from server.database.reader import Reader
from server.database.statement import Statement

_AFTER: Final = Statement(
    "history.after",
    "select seq, at, name, data, actor from room_events where room = :room and seq > :seq"
    " order by seq",
)
_BOUNDS: Final = Statement(
    "history.bounds",
    "select coalesce((select first_kept from room_numbers where room = :room),"
    "  (select min(seq) from room_events where room = :room), 1),"
    " coalesce((select seq from room_numbers where room = :room),"
    "  (select max(seq) from room_events where room = :room), 0)",
)
_FIND_REPLY: Final = Statement(
    "history.find_reply",
    "select digest, reply from room_events where who = :who and request_id = :request_id"
    " union all"
    " select digest, reply from kept_replies where who = :who and request_id = :request_id",
)
_READ_EPOCH: Final = Statement("history.read_epoch", "select value from facts where name = 'epoch'")
SET_EPOCH: Final = Statement(
    "history.set_epoch", "insert into facts (name, value) values ('epoch', :epoch)"
)


class Kept(NamedTuple):
    """A row of the history: what was told, as it was encoded then.

    `actor` is None in rows from before actors were recorded.
    """

    seq: int
    at: str
    name: str
    data: str
    actor: str | None = None


class KeptReply(NamedTuple):
    """The reply of a committed command, and the digest of what was asked."""

    digest: str
    reply: bytes


class SeqRange(NamedTuple):
    """The oldest number of a room that is still there, and its newest. (1, 0) where none is."""

    oldest: int
    newest: int


async def after(reading: Reading, room: str, seq: int) -> list[Kept]:
    """All kept events of a room above a number, in order."""
    return [Kept(*row) for row in await reading.all(_AFTER, room=room, seq=seq)]


async def bounds(reading: Reading, room: str) -> SeqRange:
    """What is there of a room's history."""
    row = await reading.one(_BOUNDS, room=room)
    assert row is not None
    return SeqRange(*row)


async def find_reply(reader: Reader, who: str, request_id: str) -> KeptReply | None:
    """The reply that a person's request got, None where it was not committed."""
    row = await reader.one(_FIND_REPLY, who=who, request_id=request_id)
    return None if row is None else KeptReply(row[0], row[1].encode())


async def read_epoch(reader: Reader) -> str | None:
    """The epoch of this database, None in a new one."""
    row = await reader.one(_READ_EPOCH)
    return None if row is None else str(row[0])


def new_epoch() -> str:
    """A name for a new numbering."""
    return uuid7()


def epoch_after(epoch: str) -> str:
    """A name for a numbering that takes the place of another: it sorts after it, also where the
    other was named by a clock that is ahead."""
    new = uuid7()
    if new > epoch:
        return new
    digits = epoch.replace("-", "")[:12]
    ahead = all(digit in "0123456789abcdef" for digit in digits) and len(digits) == 12
    return uuid7(int(digits, 16) + 1) if ahead else new
