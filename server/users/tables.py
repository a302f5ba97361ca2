"""The tables of users. Moments are milliseconds since 1970 UTC."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, Text, text

from server.database.tables import metadata

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False),
    Column("username_key", Text, nullable=False, unique=True),
    Column("email", Text),
    Column("email_key", Text, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(
        "ix_users_admins",
        "username_key",
        sqlite_where=text("role = 'admin'"),
        postgresql_where=text("role = 'admin'"),
    ),
)

retired_names = Table(
    "retired_names",
    metadata,
    Column("username_key", Text, primary_key=True),
    Column("retired_at", BigInteger, nullable=False),
)

ALL: Final = (users, retired_names)
