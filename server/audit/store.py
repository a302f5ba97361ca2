"""The rows of the audit log: written in the unit that does what they say, so neither is without the
other. There is no query of them yet."""

from functools import partial
from typing import Final

from protocol.ids import uuid7
from protocol.times import rfc3339
from server.database import ANY_NUMBER, Database, Statement, Work
from server.gateway import Act
from server.runtime.log import logger
from server.runtime.origin import ORIGIN, written

log = logger("audit")

MAX_PRUNED: Final = 500
DAY_MS: Final = 86_400_000

_INSERT: Final = Statement(
    "audit.insert",
    "insert into audit (id, at, actor, actor_name, action, target, address,"
    "  correlation_id)"
    " values (:id, :at, :actor, :actor_name, :action, :target, :address, :correlation_id)",
)
_OLD: Final = Statement("audit.old", "select 1 from audit where at < :cutoff limit 1")
_DELETE_OLD: Final = Statement(
    "audit.delete_old",
    "delete from audit where id in"
    " (select id from audit where at < :cutoff order by at limit :most)",
)


class AuditLog:
    """All acts of the last `days`. A row names an actor and a target, and never what was given."""

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._kept_ms = days * DAY_MS

    @staticmethod
    def record(work: Work, act: Act) -> None:
        """Put an act into the unit that does it; it is logged once that is committed.

        Its row has the correlation id under which the log has it.
        """
        origin, fields = ORIGIN.get(), act._asdict()
        correlation_id = None if origin is None else written(origin)
        work.change(_INSERT, id=uuid7(act.at), correlation_id=correlation_id, **fields)
        del fields["at"]  # the line has its own
        work.then(partial(log.info, "command_audited", **fields))

    async def prune(self, now: int) -> None:
        """Delete what is older than it is kept. Raises Unavailable."""
        cutoff = now - self._kept_ms
        while await self._database.reader.one(_OLD, cutoff=cutoff) is not None:
            work = Work(rfc3339(now))
            work.change(_DELETE_OLD, rows=ANY_NUMBER, cutoff=cutoff, most=MAX_PRUNED)
            await self._database.commit(work)
