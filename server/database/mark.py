"""The mark of a writer: by it a writer knows that the database is still the one it committed to.

Each batch replaces the mark of the batch before it, in the writer's row. If another mark is there,
or another epoch, the database lacks commits that were acknowledged: a fail-over led to a replica
that lags behind, or an older copy was put in its place.
"""

from typing import Any, Final, NamedTuple

from protocol.ids import uuid7
from server.database import history
from server.database.connect_postgres import ReadOnly

STEP_S: Final = 2.0

_PREPARE: Final = (
    "prepare warroom_mark as update facts set value = set_config('warroom.mark',"
    "  current_setting('warroom.connection') || ' '"
    "   || split_part(current_setting('warroom.mark'), ' ', 2)::bigint + 1, false)"
    " where name = current_setting('warroom.writer') and value = current_setting('warroom.mark')"
)
"""Writes the mark of a batch: the name of its connection, and a number that grows with each commit.
It is a setting of the session too, which a rollback sets back."""
BEGIN: Final = "begin; execute warroom_mark"
"""In one round trip, as it takes no values: these are settings of the session."""
BEGIN_AGAIN: Final = f"rollback; {BEGIN}"
BEGUN: Final = "UPDATE 1"
"""The answer to both where the mark of the last commit is there."""

_WAIT: Final = "select value from facts where name = $1 for update"
_ADOPT: Final = (
    "select (select value from facts where name = $1),"
    " (select value from facts where name = 'epoch'),"
    " current_setting('transaction_read_only') = 'on',"
    " pg_postmaster_start_time()::text,"
    " set_config('warroom.mark', $2, false)"
)
_NEW_EPOCH: Final = (
    "insert into facts (name, value) values ('epoch', $1) on conflict (name) do nothing"
)
_READ_EPOCH: Final = "select value from facts where name = 'epoch'"
_ENTER: Final = "insert into facts (name, value) values ($1, $2)"
_FORGET: Final = "delete from facts where name = $1"
_FORGET_OLD: Final = (
    "delete from facts where name like $1 || ' %' and name < $1 || ' ' || $2 and value < $2"
    " and name not in (select application_name from pg_stat_activity"
    "  where datname = current_database())"
)
"""The rows of writers that have begun before a moment, have committed nothing over a connection
opened since, and are not connected."""
_RENEW: Final = (
    "with renewed as ("
    " insert into facts (name, value) values ('epoch', $1) on conflict (name) do"
    ' update set value = excluded.value where facts.value collate "C" <= $2 returning 1'
    ") delete from facts where name = $3 or name like $4 || ' %' and exists (select from renewed)"
)
"""Epochs grow: another process that has lost the same history may have renewed it already. The
process that does deletes the marks of all: no other one commits in the old epoch after that."""


class HistoryLost(Exception):
    """The database lacks what this process committed, or has another epoch: nothing that is in
    memory holds any more."""


class Displaced(ConnectionError):
    """The mark or the epoch in the database is not the one that this writer knows."""


class StoredMark(NamedTuple):
    """What a database holds: the mark of the writer and the epoch, None where there is none."""

    mark: str | None
    epoch: str | None


class Mark:
    """The last mark that a writer committed, and the epoch that it knows."""

    def __init__(self, kind: str) -> None:
        """`kind`: what the names of all writers begin with."""
        self.kind = kind
        self.writer = f"{kind} {uuid7()}"
        self.epoch = ""
        self.last = ""
        self.server = ""
        """The server of the connection adopted last, by the time it was started."""

    def settings(self, connection: str) -> dict[str, str]:
        """The settings of a session, by the name of its connection."""
        return {"warroom.writer": self.writer, "warroom.connection": connection}

    async def prepare(self, connection: Any) -> None:
        """Prepare a connection for `BEGIN`. Raises what asyncpg raises."""
        await connection.execute(_PREPARE, timeout=STEP_S)

    def following(self, connection: str) -> str:
        """The mark that the next batch writes over a connection with that name."""
        return f"{connection} {int(self.last.rpartition(' ')[2]) + 1}"

    async def enter(self, connection: Any, name: str, old: str) -> None:
        """Make the row of a new writer, and the epoch of a new database.

        `name`: of the connection. Forgets the rows of writers that have ended before `old`, a
        UUIDv7. Raises what asyncpg raises, ReadOnly.
        """
        await connection.execute(_NEW_EPOCH, history.new_epoch(), timeout=STEP_S)
        self.epoch = await connection.fetchval(_READ_EPOCH, timeout=STEP_S)
        self.last = f"{name} 0"
        await connection.execute(_ENTER, self.writer, self.last, timeout=STEP_S)
        await connection.execute(_FORGET_OLD, self.kind, old, timeout=STEP_S)
        await self.adopt(connection)

    async def wait(self, connection: Any) -> str | None:
        """The mark, once whatever is left of an older transaction of this writer has ended."""
        mark: str | None = await connection.fetchval(_WAIT, self.writer, timeout=STEP_S)
        return mark

    async def adopt(self, connection: Any) -> None:
        """Let a connection go on from the last mark. One round trip.

        Raises Displaced where that is not what the database holds, ReadOnly.
        """
        mark, epoch, read_only, server, *_ = await connection.fetchrow(
            _ADOPT, self.writer, self.last, timeout=STEP_S
        )
        if read_only:
            raise ReadOnly("the database is read-only")
        if (mark, epoch) != (self.last, self.epoch):
            raise Displaced(
                f"the mark of the last commit is {mark}, not {self.last}, in epoch {epoch}"
            )
        self.server = server

    async def renew_epoch(self, connection: Any) -> StoredMark:
        """Give the database a new epoch, unless another process has since this one knew it.

        Returns what was there. Raises what asyncpg raises; then it may be renewed or not.
        """
        found = StoredMark(
            await connection.fetchval(_WAIT, self.writer, timeout=STEP_S),
            await connection.fetchval(_READ_EPOCH, timeout=STEP_S),
        )
        new = history.epoch_after(self.epoch)
        await connection.execute(_RENEW, new, self.epoch, self.writer, self.kind, timeout=STEP_S)
        return found

    async def forget(self, connection: Any) -> None:
        """Delete the row of this writer."""
        await connection.execute(_FORGET, self.writer, timeout=STEP_S)
