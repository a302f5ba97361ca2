"""Settings of the audit log."""

from dataclasses import dataclass

from server.runtime.settings import integer, setting


@dataclass(frozen=True, kw_only=True)
class AuditSettings:
    """Settings of the audit log."""

    audit_days: int = setting(integer(1, 36_500), 365, "retention of the audit log", unit="days")
