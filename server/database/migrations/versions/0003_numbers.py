"""Rooms are numbered by a row of theirs; what has aged can be found and pruned."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "room_numbers",
        sa.Column("room", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("first_kept", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("room", name=op.f("pk_room_numbers")),
        sqlite_with_rowid=False,
    )
    # The log of a battle numbers itself.
    op.execute(
        "insert into room_numbers (room, seq, first_kept)"
        " select room, max(seq), min(seq) from room_events"
        " where room not like 'battle:%' group by room"
    )
    op.create_index("ix_kept_replies_at", "kept_replies", ["at"], unique=False)
    op.add_column("battles", sa.Column("prune_at", sa.BigInteger(), nullable=True))
    op.execute("update battles set prune_at = 0")
    op.create_index(
        "ix_battles_prune_at",
        "battles",
        ["prune_at"],
        unique=False,
        sqlite_where=sa.text("prune_at is not null"),
        postgresql_where=sa.text("prune_at is not null"),
    )


def downgrade() -> None:
    op.drop_index(
        "ix_battles_prune_at",
        table_name="battles",
        sqlite_where=sa.text("prune_at is not null"),
        postgresql_where=sa.text("prune_at is not null"),
    )
    op.drop_column("battles", "prune_at")
    op.drop_index("ix_kept_replies_at", table_name="kept_replies")
    op.drop_table("room_numbers")
