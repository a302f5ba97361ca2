"""What is always true of the rows of log-ins and of changes of rights. SQL and nothing but."""

from typing import Final

from protocol.users import user_room
from server.database import Invariant, Statement, rows

_TOKENS: Final = Statement(
    "auth.check_tokens",
    "select user_id, count(*), count(*) over () from refresh_tokens t"
    " where not exists (select 1 from users u where u.id = t.user_id)"
    " and not exists (select 1 from room_events e where e.room = cast(:room as text) || t.user_id"
    "  and e.name = 'users.deleted')"
    " group by user_id order by user_id limit :most",
)
_CHANGES: Final = Statement(
    "auth.check_rights_changes",
    "select oldest, newest, there, 1 from"
    " (select min(version) as oldest, max(version) as newest, count(*) as there"
    "  from rights_changes) as changes where newest - oldest + 1 <> there limit :most",
)

INVARIANTS: Final = (
    Invariant(
        "auth.tokens_of_users",
        # They outlive a deletion, which so touches few rows; nobody can use them.
        "a refresh token is of a user who is there, or was until a deletion that is told of",
        rows(_TOKENS, "user {}: {} tokens", room=user_room.prefix),
    ),
    Invariant(
        "auth.rights_numbers",
        "changes of rights are numbered without a hole",
        rows(_CHANGES, "{} to {} are {} changes"),
    ),
)
