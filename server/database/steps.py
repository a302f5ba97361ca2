"""What a unit of work comes down to: statements in order, the same for every engine.

A kept event is one row, numbered within its room without a gap. Where the log of a room is the
state itself (a battle), the number comes from the decision and its predecessor must be there:
whoever decided on an older state writes no row. Elsewhere the room has a row in
`room_numbers` that gives the next number and holds back whoever else numbers the same room.
"""

from collections.abc import Generator
from typing import Final

from server.database.statement import Row, Statement
from server.database.work import Change, Request, Work

_OPEN_LOG: Final = Statement(
    "history.open_log",
    "insert into room_events (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " select :room, cast(:seq as bigint), :who, :request_id, :digest, :reply, :at, :name, :data,"
    " :actor"
    " where not exists (select 1 from kept_replies where who = :who and request_id = :request_id)",
)
_APPEND: Final = Statement(
    "history.append",
    "insert into room_events (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " select :room, cast(:seq as bigint), :who, :request_id, :digest, :reply, :at, :name, :data,"
    " :actor"
    " from room_events where room = :room and seq = cast(:seq as bigint) - 1 and not exists"
    " (select 1 from kept_replies where who = :who and request_id = :request_id)",
    sqlite="insert into room_events"
    " (room, seq, who, request_id, digest, reply, at, name, data, actor)"
    " values (:room,"
    "  (select seq + 1 from room_events where room = :room and seq = cast(:seq as bigint) - 1"
    "   and not exists"
    "   (select 1 from kept_replies where who = :who and request_id = :request_id)),"
    "  :who, :request_id, :digest, :reply, :at, :name, :data, :actor)",
)
"""No row where the one before it is missing, or the request was answered.

On SQLite no number, and so no row: it carries out `insert into room_events select ... from
room_events` by way of a table of its own making, which takes nearly twice the time.
"""

NUMBER: Final = Statement(
    "history.number",
    "insert into room_numbers (room, seq, first_kept) values (:room, :count, 1)"
    " on conflict (room) do update set seq = room_numbers.seq + :count"
    " returning seq",
)
"""Takes the next numbers of a room, so many at once. Returns the last of them."""

_APPEND_NUMBERED: Final = Statement(
    "history.append_numbered",
    "insert into room_events (room, seq, at, name, data, actor)"
    " values (:room, :seq, :at, :name, :data, :actor)",
)
_KEEP_REPLY: Final = Statement(
    "history.keep_reply",
    "insert into kept_replies (who, request_id, digest, reply, at)"
    " select :who, :request_id, :digest, :reply, :at"
    " where not exists (select 1 from room_events where who = :who and request_id = :request_id)",
)

_NOBODY: Final = (None, None, None, None)

Numbers = tuple[int, ...]
"""The numbers that the kept events of a unit were given, in order."""

Steps = Generator[Change, Row | None, Numbers]
"""Yields what to carry out, is sent the row that this returned (None where none), and ends with
the numbers."""


def steps(work: Work, reply: bytes, request: Request | None) -> Steps:
    """All that a unit changes, then what it tells, then the reply that it keeps."""
    for change in work.changes:  # noqa: UP028 - a list takes no rows that are sent to it
        yield change
    numbers: list[int] = []
    for told in work.told:
        if not told.kept:
            continue
        content = told.at, told.name, told.data.decode(), told.actor
        if told.seq is None:
            row = yield Change(NUMBER, (told.room, 1), 1)
            assert row is not None
            number = int(row[0])
            yield Change(_APPEND_NUMBERED, (told.room, number, *content), 1)
        else:
            number = told.seq
            asked = _NOBODY if request is None else _asked(request, reply)
            request = None  # it stands in one row
            statement = _OPEN_LOG if number == 1 else _APPEND
            yield Change(statement, (told.room, number, *asked, *content), 1)
        numbers.append(number)
    if request is not None:
        yield Change(_KEEP_REPLY, (*_asked(request, reply), work.at), 1)
    return tuple(numbers)


def _asked(request: Request, reply: bytes) -> tuple[str, str, str, str]:
    who, request_id = request.key
    return who, request_id, request.digest, reply.decode()
