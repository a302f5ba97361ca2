"""The rules of a player: level, gold, gems, stat points and stamina. Pure: no clock, no chance.

Moments are milliseconds since the epoch; `now` is handed in by the caller.
"""

from bisect import bisect_right
from itertools import accumulate
from typing import Final

import msgspec
from msgspec.structs import replace

from protocol.errors import invalid, refused
from protocol.players import Player, PlayerReason, Stamina
from protocol.times import rfc3339

MAX_LEVEL: Final = 100
START_GOLD: Final = 1000
START_STAMINA: Final = 100
START_ATTACK: Final = 10
START_DEFENSE: Final = 10
START_HP: Final = 100

CLOCKS_DIFFER_MS: Final = 5 * 60_000
"""How far ahead a moment in the past may seem to be: in another process's clock, or by a leap that
is made up for little by little. One further ahead was written before the clock was set back."""

STARTER_KIT_ATTACK: Final = 10
STARTER_KIT_DEFENSE: Final = 10


class Record(msgspec.Struct, frozen=True):
    """All that is kept of a player.

    `exp` is a lifetime total. `stamina` was right at `stamina_at` (ms since the epoch) and has
    grown since. `rev` is the revision of the stored row: the rules hand it on unchanged, and
    whoever stores the record raises it.
    """

    player_id: str
    name: str
    level: int
    exp: int
    gold: int
    gems: int
    stat_points: int
    attack: int
    defense: int
    max_hp: int
    max_stamina: int
    stamina: int
    stamina_at: int
    rev: int = 0


class Regen(msgspec.Struct, frozen=True):
    """How stamina grows: every `interval_ms` (above 0) by `ratio` (0.1 is 10 %) of its maximum."""

    interval_ms: int = 10_000
    ratio: float = 0.1

    def amount(self, max_stamina: int) -> int:
        """Points an interval: the nearest whole number, and at least 1."""
        return max(1, round(max_stamina * self.ratio))


def start(player_id: str, name: str, now: int) -> Record:
    """A new player. Source: game rules, Registration gives a player."""
    return Record(
        player_id=player_id,
        name=name,
        level=1,
        exp=0,
        gold=START_GOLD,
        gems=0,
        stat_points=0,
        attack=START_ATTACK,
        defense=START_DEFENSE,
        max_hp=START_HP,
        max_stamina=START_STAMINA,
        stamina=START_STAMINA,
        stamina_at=now,
    )


def exp_needed(level: int) -> int:
    """Exp from the level before to `level`: int(100 · 1.15^(level - 2)), for levels 2 to 100.

    Raises ValueError for any other level. Source: game rules, Progression.
    """
    if not 2 <= level <= MAX_LEVEL:
        raise ValueError(f"no level is reached by exp at {level}")
    return int(100 * 1.15 ** (level - 2))


_EXP_AT: Final = (0, *accumulate(exp_needed(level) for level in range(2, MAX_LEVEL + 1)))
"""Lifetime exp at which each level begins; index 0 is level 1."""


def level_of(exp: int) -> int:
    """The level of a lifetime total of exp, 1 to 100. Source: game rules, Progression."""
    return max(1, bisect_right(_EXP_AT, exp))


def exp_to_next(exp: int) -> int:
    """Exp that is missing to the next level; 0 at the highest."""
    level = level_of(exp)
    return 0 if level == MAX_LEVEL else _EXP_AT[level] - exp


def points_for(level: int) -> int:
    """Stat points for reaching a level: 3, at every 10th 8. Source: game rules, Progression."""
    return 8 if level % 10 == 0 else 3


def gain(record: Record, gold: int, exp: int, now: int) -> Record:
    """Add gold and exp. Each level gained gives its stat points, and any refills stamina.

    Raises ValueError for a negative amount. Source: game rules, Progression.
    """
    _require_not_negative(gold, exp)
    level = max(record.level, level_of(record.exp + exp))
    gained = replace(
        record,
        gold=record.gold + gold,
        exp=record.exp + exp,
        level=level,
        stat_points=record.stat_points
        + sum(points_for(reached) for reached in range(record.level + 1, level + 1)),
    )
    return _refilled(gained, now) if level > record.level else gained


def with_regen(record: Record, now: int, regen: Regen) -> Record:
    """The record with its stamina as it is at `now`.

    `stamina_at` moves by whole intervals, so the part of an interval that has passed still
    counts at the next call. At the maximum nothing grows, and the next interval begins when
    stamina is next spent. A `now` before `stamina_at` changes nothing, unless it is so far before
    that the clock was set back: how long ago it was is not known then, and nobody waits for that
    moment to come again. Source: game rules, Stamina.
    """
    passed = now - record.stamina_at
    if passed < -CLOCKS_DIFFER_MS:
        return replace(record, stamina=record.max_stamina, stamina_at=now)
    if passed < 0:
        return record
    if record.stamina < record.max_stamina:
        intervals = passed // regen.interval_ms
        if intervals == 0:
            return record
        amount = record.stamina + intervals * regen.amount(record.max_stamina)
        if amount < record.max_stamina:
            moved = record.stamina_at + intervals * regen.interval_ms
            return replace(record, stamina=amount, stamina_at=moved)
    return _refilled(record, now)


def spend_stamina(fresh: Record, cost: int) -> Record:
    """A record that has gone through `with_regen`, with `cost` less stamina.

    Raises Failure `refused` (exhausted), and ValueError for a negative cost.
    """
    if cost < 0:
        raise ValueError(f"a negative cost: {cost}")
    if fresh.stamina < cost:
        raise refused(
            PlayerReason.EXHAUSTED, f"requires {cost} stamina, the player has {fresh.stamina}"
        )
    return replace(fresh, stamina=fresh.stamina - cost)


def spend_gems(record: Record, gems: int) -> Record:
    """The record with `gems` less.

    Raises Failure `refused` (not_enough_gems), and ValueError for a negative amount.
    """
    _require_not_negative(gems)
    if record.gems < gems:
        raise refused(
            PlayerReason.NOT_ENOUGH_GEMS, f"requires {gems} gems, the player has {record.gems}"
        )
    return replace(record, gems=record.gems - gems)


def allocate(record: Record, attack: int, defense: int, max_stamina: int, now: int) -> Record:
    """Spend stat points, one for one. Raising max stamina refills it.

    Raises Failure `invalid` where all are 0 and `refused` (not_enough_points) where they are more
    than there are, and ValueError for a negative amount. Source: game rules, Progression.
    """
    _require_not_negative(attack, defense, max_stamina)
    points = attack + defense + max_stamina
    if points == 0:
        raise invalid("attack", "one of attack, defense and max_stamina must be above 0")
    if points > record.stat_points:
        raise refused(
            PlayerReason.NOT_ENOUGH_POINTS,
            f"requires {points} stat points, the player has {record.stat_points}",
        )
    raised = replace(
        record,
        stat_points=record.stat_points - points,
        attack=record.attack + attack,
        defense=record.defense + defense,
        max_stamina=record.max_stamina + max_stamina,
    )
    return _refilled(raised, now) if max_stamina else raised


def fighting_attack(record: Record) -> int:
    """Attack with what is worn: the starter kit. Source: game rules, Battle."""
    return record.attack + STARTER_KIT_ATTACK


def fighting_defense(record: Record) -> int:
    """Defense with what is worn: the starter kit. Source: game rules, Battle."""
    return record.defense + STARTER_KIT_DEFENSE


def view(record: Record) -> Player:
    """The player as clients see it, but for stamina."""
    return Player(
        player_id=record.player_id,
        name=record.name,
        level=record.level,
        exp=record.exp,
        exp_to_next=exp_to_next(record.exp),
        gold=record.gold,
        gems=record.gems,
        stat_points=record.stat_points,
        attack=record.attack,
        defense=record.defense,
        max_hp=record.max_hp,
        max_stamina=record.max_stamina,
    )


def stamina_view(record: Record, regen: Regen) -> Stamina:
    """The stamina as clients see it, as it was at `stamina_at`; no `next_at` at the maximum."""
    full = record.stamina >= record.max_stamina
    return Stamina(
        amount=record.stamina,
        maximum=record.max_stamina,
        at=rfc3339(record.stamina_at),
        next_at=None if full else rfc3339(record.stamina_at + regen.interval_ms),
        regen=regen.amount(record.max_stamina),
        interval_s=regen.interval_ms / 1000,
    )


def _refilled(record: Record, now: int) -> Record:
    # `stamina_at` never goes back: time that has been counted once would count again.
    return replace(record, stamina=record.max_stamina, stamina_at=max(now, record.stamina_at))


def _require_not_negative(*amounts: int) -> None:
    if min(amounts) < 0:
        raise ValueError(f"a negative amount: {min(amounts)}")
