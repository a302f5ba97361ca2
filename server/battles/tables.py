"""The tables of battles and their seats. Their events are in the history.

Moments are milliseconds since 1970 UTC.
"""

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
    text,
)

from server.database.tables import metadata

battles = Table(
    "battles",
    metadata,
    Column("battle_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("seed", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("state_seq", BigInteger, nullable=False),
    Column("prune_at", BigInteger),
    Index("ix_battles_status_battle_id", "status", "battle_id"),
    Index(
        "ix_battles_open",
        "battle_id",
        sqlite_where=text("status not in ('completed', 'abandoned')"),
        postgresql_where=text("status not in ('completed', 'abandoned')"),
    ),
    Index(
        "ix_battles_prune_at",
        "prune_at",
        sqlite_where=text("prune_at is not null"),
        postgresql_where=text("prune_at is not null"),
    ),
)

battle_seats = Table(
    "battle_seats",
    metadata,
    Column("player_id", Text, nullable=False),
    Column("battle_id", Text, ForeignKey("battles.battle_id", ondelete="CASCADE"), nullable=False),
    Column("seated", Boolean, nullable=False),
    Column("result", Text),
    PrimaryKeyConstraint("player_id", "battle_id"),
    Index(
        "ix_battle_seats_battle_id",
        "battle_id",
        sqlite_where=text("seated"),
        postgresql_where=text("seated"),
    ),
    Index(
        "ix_battle_seats_player_id",
        "player_id",
        unique=True,
        sqlite_where=text("seated"),
        postgresql_where=text("seated"),
    ),
    sqlite_with_rowid=False,
)

ALL: Final = (battles, battle_seats)
