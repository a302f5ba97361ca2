"""From which networks users have logged in: who guesses from elsewhere does not lock them out."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "login_networks",
        sa.Column(
            "user_id",
            sa.Text(),
            sa.ForeignKey("users.id", ondelete="CASCADE", name="fk_login_networks_user_id"),
            nullable=False,
        ),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "network", name="pk_login_networks"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_login_networks_last_at", "login_networks", ["last_at"], unique=False)


def downgrade() -> None:
    op.drop_table("login_networks")
