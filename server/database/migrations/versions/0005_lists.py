"""Lists that are paged: open battles, the newest first; players, the highest level first."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

OPEN = sa.text("status not in ('completed', 'abandoned')")


def upgrade() -> None:
    op.create_index(
        "ix_battles_open",
        "battles",
        ["battle_id"],
        unique=False,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_players_level_exp_player_id", "players", ["level", "exp", "player_id"], unique=False
    )
    # Nobody tells the pool's room of single battles any more.
    op.execute("delete from room_events where room = 'battles'")
    op.execute("delete from room_numbers where room = 'battles'")


def downgrade() -> None:
    op.drop_index("ix_players_level_exp_player_id", table_name="players")
    op.drop_index("ix_battles_open", table_name="battles", sqlite_where=OPEN, postgresql_where=OPEN)
