"""What is always true of the rows of players and of the ledger. SQL and nothing but.

Rows of the ledger have no order of their own: two may be of one millisecond, and the clocks of two
processes differ. So that its balances run on is checked without one: a row leads from a balance
(`balance_after - amount`) to another (`balance_after`), and rows lead from 0 to the balance that is
there just where each balance in between is reached as often as it is left.
"""

from typing import Final

from server.database import Invariant, Statement, rows

_SUMS: Final = Statement(
    "players.check_sums",
    "select player_id, currency, cast(sum(balance) as bigint), cast(sum(booked) as bigint),"
    " count(*) over () from ("
    "  select player_id, 'gold' as currency, gold as balance, 0 as booked from players"
    "  union all select player_id, 'gems', gems, 0 from players"
    "  union all select player_id, currency, 0, amount from ledger) as accounts"
    " group by player_id, currency having sum(balance) <> sum(booked)"
    " order by player_id, currency limit :most",
)
_RUNNING: Final = Statement(
    "players.check_running",
    "select player_id, currency, min(balance), count(*) over () from ("
    "  select player_id, currency, balance from ("
    "   select player_id, currency, balance_after as balance, 1 as reached from ledger"
    "   union all select player_id, currency, balance_after - amount, -1 from ledger"
    "   union all select player_id, 'gold', 0, 1 from players"
    "   union all select player_id, 'gold', gold, -1 from players"
    "   union all select player_id, 'gems', 0, 1 from players"
    "   union all select player_id, 'gems', gems, -1 from players) as ends"
    "  group by player_id, currency, balance having sum(reached) <> 0) as broken"
    " group by player_id, currency order by player_id, currency limit :most",
)
_NEGATIVE: Final = Statement(
    "players.check_negative",
    "select player_id, currency, balance, count(*) over () from ("
    "  select player_id, currency, balance_after as balance from ledger"
    "  union all select player_id, 'gold', gold from players"
    "  union all select player_id, 'gems', gems from players) as balances"
    " where balance < 0 order by player_id, currency limit :most",
)
_REWARDS: Final = Statement(
    "players.check_rewards",
    "select player_id, ref, count(*), count(*) over () from ledger"
    " where why = 'reward' and currency = 'gold'"
    " group by player_id, ref having count(*) > 1 order by player_id, ref limit :most",
)
_USERS: Final = Statement(
    "players.check_users",
    "select id, count(*) over () from ("
    "  select id from users where not exists (select 1 from players where player_id = id)"
    "  union all select player_id from players"
    "   where not exists (select 1 from users where id = player_id)) as odd"
    " order by id limit :most",
)

INVARIANTS: Final = (
    Invariant(
        "players.ledger_sums",
        "the ledger's rows of a player sum up to the balance, of a deleted player to 0",
        rows(_SUMS, "player {}, {}: the balance is {}, the rows sum up to {}"),
    ),
    Invariant(
        "players.ledger_runs",
        "each row of the ledger leads on from another's balance, from 0 to the player's",
        rows(_RUNNING, "player {}, {}: at {}"),
    ),
    Invariant(
        "players.no_debt",
        "no balance is below 0, or ever was",
        rows(_NEGATIVE, "player {}, {}: {}"),
    ),
    Invariant(
        "players.one_reward",
        "a player takes the reward of a battle once",
        rows(_REWARDS, "player {}, battle {}: {} times"),
    ),
    Invariant(
        "players.of_users",
        "a user has a player, and a player its user",
        rows(_USERS, "user {}"),
    ),
)
