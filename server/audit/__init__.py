"""The audit log: who changed what of users, service keys and connections."""

from server.audit.settings import AuditSettings
from server.audit.store import AuditLog
from server.audit.tables import ALL
from server.domain import Built, Core, Domain

__all__ = ["DOMAIN", "AuditLog"]


async def _build(core: Core) -> Built:
    log = AuditLog(core.database, core.settings.of(AuditSettings).audit_days)
    return Built(parts=[log], prune=log.prune)


DOMAIN = Domain(name="audit", build=_build, tables=ALL, settings=AuditSettings)
