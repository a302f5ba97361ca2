"""The spine: people, players, battles, the history of rooms and kept replies."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "battles",
        sa.Column("battle_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("seed", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("state_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("battle_id", name=op.f("pk_battles")),
    )
    op.create_index("ix_battles_status_battle_id", "battles", ["status", "battle_id"], unique=False)
    op.create_table(
        "facts",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_facts")),
    )
    op.create_table(
        "kept_replies",
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("who", "request_id", name=op.f("pk_kept_replies")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "room_events",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("room", "seq", name=op.f("pk_room_events")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_room_events_who_request_id",
        "room_events",
        ["who", "request_id"],
        unique=True,
        sqlite_where=sa.text("request_id is not null"),
        postgresql_where=sa.text("request_id is not null"),
    )
    op.create_table(
        "service_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_keys")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_service_keys_key_hash")),
        sa.UniqueConstraint("name", name=op.f("uq_service_keys_name")),
    )
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("username", sa.Text(), nullable=False),
        sa.Column("username_key", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("email_key", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email_key", name=op.f("uq_users_email_key")),
        sa.UniqueConstraint("username_key", name=op.f("uq_users_username_key")),
    )
    op.create_table(
        "players",
        sa.Column("player_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("gold", sa.BigInteger(), nullable=False),
        sa.Column("gems", sa.BigInteger(), nullable=False),
        sa.Column("stat_points", sa.Integer(), nullable=False),
        sa.Column("attack", sa.Integer(), nullable=False),
        sa.Column("defense", sa.Integer(), nullable=False),
        sa.Column("max_hp", sa.Integer(), nullable=False),
        sa.Column("max_stamina", sa.Integer(), nullable=False),
        sa.Column("stamina", sa.Integer(), nullable=False),
        sa.Column("stamina_at", sa.BigInteger(), nullable=False),
        sa.Column("rev", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["player_id"], ["users.id"], name=op.f("fk_players_player_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("player_id", name=op.f("pk_players")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family"], unique=False)
    op.create_index("ix_refresh_tokens_user_id", "refresh_tokens", ["user_id"], unique=False)
    op.create_table(
        "battle_seats",
        sa.Column("player_id", sa.Text(), nullable=False),
        sa.Column("battle_id", sa.Text(), nullable=False),
        sa.Column("seated", sa.Boolean(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["battle_id"],
            ["battles.battle_id"],
            name=op.f("fk_battle_seats_battle_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["player_id"],
            ["players.player_id"],
            name=op.f("fk_battle_seats_player_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("player_id", "battle_id", name=op.f("pk_battle_seats")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_battle_seats_battle_id",
        "battle_seats",
        ["battle_id"],
        unique=False,
        sqlite_where=sa.text("seated"),
        postgresql_where=sa.text("seated"),
    )
    op.create_index(
        "ix_battle_seats_player_id",
        "battle_seats",
        ["player_id"],
        unique=True,
        sqlite_where=sa.text("seated"),
        postgresql_where=sa.text("seated"),
    )
    op.create_table(
        "ledger",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("player_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("balance_after", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["player_id"],
            ["players.player_id"],
            name=op.f("fk_ledger_player_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
    )
    op.create_index("ix_ledger_player_id_id", "ledger", ["player_id", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_ledger_player_id_id", table_name="ledger")
    op.drop_table("ledger")
    op.drop_index(
        "ix_battle_seats_player_id",
        table_name="battle_seats",
        sqlite_where=sa.text("seated"),
        postgresql_where=sa.text("seated"),
    )
    op.drop_index(
        "ix_battle_seats_battle_id",
        table_name="battle_seats",
        sqlite_where=sa.text("seated"),
        postgresql_where=sa.text("seated"),
    )
    op.drop_table("battle_seats")
    op.drop_index("ix_refresh_tokens_user_id", table_name="refresh_tokens")
    op.drop_index("ix_refresh_tokens_family", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("players")
    op.drop_table("users")
    op.drop_table("service_keys")
    op.drop_index(
        "ix_room_events_who_request_id",
        table_name="room_events",
        sqlite_where=sa.text("request_id is not null"),
        postgresql_where=sa.text("request_id is not null"),
    )
    op.drop_table("room_events")
    op.drop_table("kept_replies")
    op.drop_table("facts")
    op.drop_index("ix_battles_status_battle_id", table_name="battles")
    op.drop_table("battles")
