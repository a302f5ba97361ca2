"""Who set a kept event off. The events from before have no actor: it was not recorded."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("room_events", sa.Column("actor", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("room_events", "actor")
