"""The audit log: who changed what of users, service keys and connections."""

from server.audit.audit_log import AuditLog
from server.audit.settings import AuditSettings
from server.audit.store import AuditRows
from server.audit.tables import ALL
from server.domain import Built, Core, Domain

__all__ = ["DOMAIN", "AuditLog"]


async def _build(core: Core) -> Built:
    rows = AuditRows(core.database, core.settings.of(AuditSettings).audit_days)
    return Built(services=[AuditLog(rows)], prune=rows.prune)


DOMAIN = Domain(name="audit", build=_build, tables=ALL, settings=AuditSettings)
