"""The tables of players and their ledger. Moments are milliseconds since 1970 UTC."""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text

from server.database.tables import metadata

players = Table(
    "players",
    metadata,
    Column("player_id", Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, nullable=False),
    Column("level", Integer, nullable=False),
    Column("exp", BigInteger, nullable=False),
    Column("gold", BigInteger, nullable=False),
    Column("gems", BigInteger, nullable=False),
    Column("stat_points", Integer, nullable=False),
    Column("attack", Integer, nullable=False),
    Column("defense", Integer, nullable=False),
    Column("max_hp", Integer, nullable=False),
    Column("max_stamina", Integer, nullable=False),
    Column("stamina", Integer, nullable=False),
    Column("stamina_at", BigInteger, nullable=False),
    Column("rev", BigInteger, nullable=False),
    Index("ix_players_level_exp_player_id", "level", "exp", "player_id"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("id", Text, primary_key=True),
    Column("player_id", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("balance_after", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("ref", Text),
    Index("ix_ledger_player_id_id", "player_id", "id"),
)

ALL: Final = (players, ledger)
