"""Who changed what of users, keys and connections; names that are not given again for a while.

And an index of administrators by name, whom nobody who registers may be taken for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ADMINS = sa.text("role = 'admin'")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("correlation_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
    )
    op.create_index("ix_audit_at", "audit", ["at"], unique=False)
    op.create_table(
        "retired_names",
        sa.Column("username_key", sa.Text, nullable=False),
        sa.Column("retired_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("username_key", name="pk_retired_names"),
    )
    op.create_index(
        "ix_users_admins",
        "users",
        ["username_key"],
        unique=False,
        sqlite_where=ADMINS,
        postgresql_where=ADMINS,
    )


def downgrade() -> None:
    op.drop_index(
        "ix_users_admins", table_name="users", sqlite_where=ADMINS, postgresql_where=ADMINS
    )
    op.drop_table("retired_names")
    op.drop_index("ix_audit_at", table_name="audit")
    op.drop_table("audit")
