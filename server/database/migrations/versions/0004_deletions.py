"""What has been outlives who did it: log-ins, seats and the ledger stay when a person is deleted.

So a deletion touches few rows, however long somebody was here. Log-ins are pruned when they end.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

KEYS: tuple[tuple[str, str, str, str, dict[str, bool]], ...] = (
    ("refresh_tokens", "user_id", "users", "id", {}),
    ("battle_seats", "player_id", "players", "player_id", {"sqlite_with_rowid": False}),
    ("ledger", "player_id", "players", "player_id", {}),
)


def upgrade() -> None:
    for table, column, _, _, options in KEYS:
        with op.batch_alter_table(table, table_kwargs=options) as batch:
            batch.drop_constraint(f"fk_{table}_{column}", type_="foreignkey")


def downgrade() -> None:
    for table, column, to, key, options in KEYS:
        # Nothing can point to who is not there any more.
        there: sa.Select[str] = sa.select(sa.column(key, sa.Text)).select_from(sa.table(to))
        op.execute(sa.delete(sa.table(table)).where(sa.column(column).not_in(there)))
        with op.batch_alter_table(table, table_kwargs=options) as batch:
            name = f"fk_{table}_{column}"
            batch.create_foreign_key(name, to, [column], [key], ondelete="CASCADE")
