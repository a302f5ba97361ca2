"""The audit log: who changed what of users, service keys and connections."""

from server.audit.store import AuditLog

__all__ = ["AuditLog"]
