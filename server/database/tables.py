"""All tables, as SQLAlchemy Core: what the migrations must add up to.

Moments are milliseconds since 1970 UTC, or RFC 3339 text where they are part of a message.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

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
