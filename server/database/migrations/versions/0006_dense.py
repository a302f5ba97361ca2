"""What happens at once is written side by side, on few pages of the file.

Requests whose ids grow with time are indexed by these first, and not by who asks: everybody who
did something had a page of their own. On SQLite the rows of the history lie in the order in which
they came, with the index of rooms beside them: a tree of whole rows is deep, and splits.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

ASKED = sa.text("request_id is not null")


def upgrade() -> None:
    _change(("who", "request_id"), ("request_id", "who"), with_rowid=True)


def downgrade() -> None:
    _change(("request_id", "who"), ("who", "request_id"), with_rowid=False)


def _change(before: tuple[str, str], after: tuple[str, str], with_rowid: bool) -> None:
    op.drop_index(
        f"ix_room_events_{'_'.join(before)}",
        table_name="room_events",
        sqlite_where=ASKED,
        postgresql_where=ASKED,
    )
    if op.get_bind().dialect.name == "sqlite":
        with op.batch_alter_table(
            "room_events", recreate="always", table_kwargs={"sqlite_with_rowid": with_rowid}
        ):
            pass  # only how it is kept is another
    op.create_index(
        f"ix_room_events_{'_'.join(after)}",
        "room_events",
        list(after),
        unique=True,
        sqlite_where=ASKED,
        postgresql_where=ASKED,
    )
