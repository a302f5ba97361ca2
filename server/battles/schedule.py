"""What time alone brings about in a battle: enemies' blows, revivals, seats and battles given up.

No process owns a battle's clock. `due` says when to look again, and any process may then `tick`;
what it decides holds if it is the first to write it. Pure: no clock, chance is handed in.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

from protocol.battle_events import (
    Abandoned,
    AbandonReason,
    BattleEvent,
    EnemiesStruck,
    Hit,
    LeftReason,
    PlayerDown,
)
from protocol.battles import Battle, Seat, Status
from protocol.times import millis, rfc3339
from server.battles.catalogue import (
    ALL_DOWN_MS,
    FREE_REVIVAL_MS,
    GRACE_MS,
    HIT_INTERVAL_MS,
    NOBODY_SEATED_MS,
    TARGETS,
)
from server.battles.formulas import Rolls, damage
from server.battles.rules import Events, left, revived
from server.battles.state import apply, fold, seated
from server.players import CLOCKS_DIFFER_MS

FURTHEST_AHEAD_MS: Final = HIT_INTERVAL_MS + CLOCKS_DIFFER_MS
"""Further ahead than that no enemy can strike next, unless the clock was set back."""


class _Deadline(NamedTuple):
    since: str
    at: str
    event: Callable[[Battle, int], BattleEvent]


def due(battle: Battle, grace_ms: int = GRACE_MS) -> str | None:
    """The earliest moment at which time changes something; None where it never will.

    `grace_ms` is how long the seat of a player who is away is kept, in milliseconds.
    """
    moments = [deadline.at for deadline in _deadlines(battle, grace_ms)]
    if battle.next_hit_at is not None:
        moments.append(battle.next_hit_at)
    return min(moments, default=None)


def tick(battle: Battle, now: int, rolls: Rolls, grace_ms: int = GRACE_MS) -> Events:
    """All that is due at `now` (ms since the epoch); nothing, where nothing is.

    Enemies strike first: only `EnemiesStruck` uses `rolls`, and it is the first of its decision.
    The rest follows in the order of its deadlines, not of the calls of `tick`, and all
    happens at `now`.

    A deadline that is too far ahead, as the clock was set back, is due at once.
    """
    at, ahead = rfc3339(now), too_far_ahead(now)
    events: list[BattleEvent] = []
    if battle.next_hit_at is not None and not at < battle.next_hit_at <= ahead:
        events += _enemies_strike(battle, battle.next_hit_at, now, rolls)
        battle = fold(battle, events)
    while (deadline := _first(battle, grace_ms, ahead)) is not None and deadline.at <= at:
        events.append(deadline.event(battle, now))
        battle = apply(battle, events[-1])
    return tuple(events)


def too_far_ahead(now: int) -> str:
    """The last moment at which an enemy can strike next, unless the clock was set back."""
    return rfc3339(now + FURTHEST_AHEAD_MS)


def _first(battle: Battle, grace_ms: int, ahead: str) -> _Deadline | None:
    """The deadline that falls due first: at once where it is counted from later than `ahead`."""
    found = [
        deadline._replace(at="") if deadline.since > ahead else deadline
        for deadline in _deadlines(battle, grace_ms)
    ]
    return min(found, key=lambda deadline: deadline.at, default=None)


def _deadlines(battle: Battle, grace_ms: int) -> Iterator[_Deadline]:
    """What is going to happen if nobody does anything, but for enemies' blows.

    Source: game rules, Battle (revival after 15 min, all down for 60 s, nobody seated for 5 min).
    """
    if battle.status is not Status.IN_PROGRESS:
        return
    for seat in seated(battle):
        if seat.down_at is not None:
            yield _deadline(seat.down_at, FREE_REVIVAL_MS, partial(_revive, seat))
        if seat.away_at is not None:
            yield _deadline(seat.away_at, grace_ms, partial(_drop, seat.player_id))
    if battle.all_down_since is not None:
        abandon = partial(_abandon, AbandonReason.ALL_DOWN)
        yield _deadline(battle.all_down_since, ALL_DOWN_MS, abandon)
    if battle.empty_since is not None:
        abandon = partial(_abandon, AbandonReason.NOBODY_SEATED)
        yield _deadline(battle.empty_since, NOBODY_SEATED_MS, abandon)


def _revive(seat: Seat, battle: Battle, _: int) -> BattleEvent:
    return revived(battle, seat)


def _drop(player_id: str, battle: Battle, now: int) -> BattleEvent:
    return left(battle, player_id, LeftReason.DROPPED, now)


def _abandon(reason: AbandonReason, battle: Battle, now: int) -> BattleEvent:
    return Abandoned(battle_id=battle.battle_id, reason=reason, at=rfc3339(now))


def _enemies_strike(battle: Battle, beat: str, now: int, rolls: Rolls) -> Events:
    """One beat: every living enemy strikes, then whoever has no hp left is down.

    A beat with nobody to strike passes too, so that `next_hit_at` is always ahead.
    """
    hits = tuple(_hits(battle, rolls))
    struck = EnemiesStruck(battle_id=battle.battle_id, hits=hits, next_hit_at=_next_beat(beat, now))
    at = rfc3339(now)
    downs = [
        PlayerDown(battle_id=battle.battle_id, player_id=hit.player_id, at=at)
        for hit in hits
        if hit.hp == 0
    ]
    return struck, *downs


def _hits(battle: Battle, rolls: Rolls) -> Iterator[Hit]:
    """Each living enemy's blow on one of the three who dealt most among those still standing.

    The damage is that of a player's normal attack without crits, and never more than the hp.
    Rolls of each blow: target, spread. Source: game rules, Battle, enemies hit back.
    """
    standing = _most_damage_first(battle)
    hp = {seat.player_id: seat.hp for seat in standing}
    for enemy in battle.enemies:
        if enemy.hp == 0:
            continue
        if not standing:
            return
        target = rolls.choice(standing[:TARGETS])
        dealt = min(damage(enemy.attack, target.defense, 1.0, rolls.next()), hp[target.player_id])
        hp[target.player_id] -= dealt
        yield Hit(enemy.enemy_id, target.player_id, dealt, hp[target.player_id])
        if hp[target.player_id] == 0:
            standing.remove(target)


def _most_damage_first(battle: Battle) -> list[Seat]:
    """Who is seated and stands; ids break ties, as a store may not keep the order of seats."""
    standing = [seat for seat in seated(battle) if seat.down_at is None]
    return sorted(standing, key=lambda seat: (-seat.damage, seat.player_id))


def _next_beat(beat: str, now: int) -> str:
    """The first beat after `now`: beats that were missed are skipped, not made up."""
    before = millis(beat)
    missed = (now - before) // HIT_INTERVAL_MS
    return rfc3339(before + (missed + 1) * HIT_INTERVAL_MS)


def _deadline(since: str, ms: int, event: Callable[[Battle, int], BattleEvent]) -> _Deadline:
    return _Deadline(since, rfc3339(millis(since) + ms), event)
