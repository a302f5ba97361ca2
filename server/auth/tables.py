"""The tables of log-ins, rights and service keys. Moments are milliseconds since 1970 UTC."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from server.database.tables import metadata

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("family", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
    Column("successor", Text),
    Column("revoked", Boolean, nullable=False),
    Index("ix_refresh_tokens_family", "family"),
    Index("ix_refresh_tokens_user_id", "user_id"),
    Index("ix_refresh_tokens_expires_at", "expires_at"),
)

login_networks = Table(
    "login_networks",
    metadata,
    Column("user_id", Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("network", Text, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("user_id", "network"),
    Index("ix_login_networks_last_at", "last_at"),
    sqlite_with_rowid=False,
)

rights_changes = Table(
    "rights_changes",
    metadata,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("who", Text, nullable=False),
    Column("session", Text),
    Column("why", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

service_keys = Table(
    "service_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("key_hash", Text, nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
)

ALL: Final = (refresh_tokens, login_networks, rights_changes, service_keys)
