"""The ledger's missing rows: what players began with.

A new player had 1,000 gold and no row for it, so the rows of an account (a player's gold, or gems)
did not add up to its balance, nor to 0 once the player was deleted.
"""

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import sqlalchemy as sa
from alembic import op

from protocol.ids import uuid7

revision = "0009"
down_revision = "0008"

MARK = "migration"
"""The `ref` of the rows that are added here, so that going down removes no others."""
BATCH = 5_000

LEDGER = sa.table(
    "ledger",
    *(sa.column(name, sa.Text) for name in ("id", "player_id", "currency", "why", "ref")),
    *(sa.column(name, sa.BigInteger) for name in ("at", "amount", "balance_after")),
)

MISSING = sa.text(
    # Of each account: what is missing, the moment of the player's beginning, whether its rows begin
    # from just that. Those of deleted players have no balance any more, which is one of 0.
    "with balances as ("
    "  select player_id, 'gold' as currency, gold as balance from players"
    "  union all select player_id, 'gems', gems from players"
    "  union all select distinct player_id, currency, 0 from ledger"
    "   where not exists (select 1 from players where players.player_id = ledger.player_id)),"
    " booked as (select player_id, currency, sum(amount) as amount, min(at) as first_at"
    "  from ledger group by player_id, currency),"
    " missing as (select b.player_id, b.currency, b.balance, k.first_at,"
    "  cast(b.balance - coalesce(k.amount, 0) as bigint) as amount"
    "  from balances b left join booked k on k.player_id = b.player_id and k.currency = b.currency)"
    " select m.player_id, m.currency, m.amount, m.balance,"
    "  coalesce(u.created_at, m.first_at), m.first_at,"
    "  m.first_at is null or exists (select 1 from ledger l where l.player_id = m.player_id"
    "   and l.currency = m.currency and l.balance_after - l.amount = m.amount)"
    " from missing m left join users u on u.id = m.player_id where m.amount <> 0"
)
OLDEST = sa.text(
    "select balance_after - amount from ledger"
    " where player_id = :player_id and currency = :currency order by at, id limit 1"
)

Row = dict[str, Any]


def upgrade() -> None:
    connection = op.get_bind()
    rows = _rows(connection, time.time_ns() // 1_000_000)
    while batch := list(islice(rows, BATCH)):
        connection.execute(sa.insert(LEDGER), batch)


def downgrade() -> None:
    op.execute(sa.delete(LEDGER).where(LEDGER.c.ref == MARK))


def _rows(connection: sa.Connection, now: int) -> Iterator[Row]:
    # All of them are read before the first is written: what is written is read by the same words.
    accounts = connection.execute(MISSING).all()
    for player_id, currency, missing, balance, created, first, whole in accounts:
        began = created if first is None else min(created, first)
        if whole:
            yield _row(player_id, currency, began, missing, missing, "opening")
            continue
        # Somebody has changed the balance beside the server. The rows that are there begin from
        # the opening, and what remains was added after them.
        given = {"player_id": player_id, "currency": currency}
        opening = connection.execute(OLDEST, given).scalar_one()
        if opening:
            yield _row(player_id, currency, began, opening, opening, "opening")
        if missing != opening:
            yield _row(player_id, currency, now, missing - opening, balance, "correction")


def _row(player_id: str, currency: str, at: int, amount: int, after: int, why: str) -> Row:
    return {
        "id": uuid7(at - (why == "opening")),  # before the first row, whose moment it may have
        "player_id": player_id,
        "at": at,
        "currency": currency,
        "amount": amount,
        "balance_after": after,
        "why": why,
        "ref": MARK,
    }
