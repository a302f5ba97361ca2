"""The rows of the audit log. There is no query of them yet."""

from typing import Final

from protocol.ids import uuid7
from server.database import Database, Statement, Work, sweep
from server.gateway import Act

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


class AuditRows:
    """All acts of the last `days`. A row names an actor and a target, and never what was given."""

    def __init__(self, database: Database, days: int) -> None:
        self._database = database
        self._kept_ms = days * DAY_MS

    @staticmethod
    def add(work: Work, act: Act, correlation_id: str | None) -> None:
        """Put the row of an act into the unit that does it."""
        work.change(_INSERT, id=uuid7(act.at), correlation_id=correlation_id, **act._asdict())

    async def prune(self, now: int) -> None:
        """Delete what is older than it is kept. Raises Unavailable."""
        cutoff = now - self._kept_ms
        await sweep(self._database, _OLD, _DELETE_OLD, cutoff=cutoff)
