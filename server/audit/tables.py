"""The table of the audit log. Moments are milliseconds since 1970 UTC."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Table, Text

from server.database.tables import metadata

audit = Table(
    "audit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text),
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("correlation_id", Text),
    Index("ix_audit_at", "at"),
)

ALL: Final = (audit,)
