"""The tables of the history, as SQLAlchemy Core, and what holds those of all domains: what the
migrations must add up to.

Moments are milliseconds since 1970 UTC, or RFC 3339 text where they are part of a message.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, MetaData, PrimaryKeyConstraint, Table, Text, text

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

facts = Table(
    "facts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

room_events = Table(
    "room_events",
    metadata,
    Column("room", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("data", Text, nullable=False),
    Column("who", Text),
    Column("request_id", Text),
    Column("digest", Text),
    Column("reply", Text),
    Column("actor", Text),
    PrimaryKeyConstraint("room", "seq"),
    Index(
        "ix_room_events_request_id_who",
        "request_id",  # grows with time: what is asked at once stands on the same pages
        "who",
        unique=True,
        sqlite_where=text("request_id is not null"),
        postgresql_where=text("request_id is not null"),
    ),
)

room_numbers = Table(
    "room_numbers",
    metadata,
    Column("room", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("first_kept", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

kept_replies = Table(
    "kept_replies",
    metadata,
    Column("who", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("reply", Text, nullable=False),
    Column("at", Text, nullable=False),
    PrimaryKeyConstraint("who", "request_id"),
    Index("ix_kept_replies_at", "at"),
    sqlite_with_rowid=False,
)
