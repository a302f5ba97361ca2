"""The formulas of battles: blows, enemies, rewards. Pure; rolls come in as numbers."""

from protocol.battles import AttackKind, Battle, Difficulty, Enemy, EnemyType, Reward
from server.battles.catalogue import (
    ATTACKS,
    BASE_CRIT,
    BUILDS,
    CRIT_FACTOR,
    EXP_PER_WAVE,
    GOLD_PER_WAVE,
    LEADER_BONUS,
    SPREAD,
    TIERS,
)


def cost(kind: AttackKind) -> int:
    """Stamina that a blow takes. Source: game rules, Battle, attack kinds."""
    return ATTACKS[kind].cost


def crit_chance(kind: AttackKind) -> float:
    """Probability of a crit: 10 % and what the kind adds. Source: game rules, Battle."""
    return BASE_CRIT + ATTACKS[kind].extra_crit


def blow_factor(kind: AttackKind, critical: bool) -> float:
    """Factor on damage: that of the kind, doubled by a crit. Source: game rules, Battle."""
    return ATTACKS[kind].factor * (CRIT_FACTOR if critical else 1.0)


def damage(attack: int, defense: int, factor: float, roll: float) -> int:
    """Hp that a blow takes: max(1, attack - int(0.5 · defense)) · factor · U(0.9, 1.1).

    Rounded down, and at least 1. `roll`, in [0, 1), places the spread.
    Source: game rules, Battle.
    """
    low, high = SPREAD
    base = max(1, attack - int(0.5 * defense))
    return max(1, int(base * factor * (low + (high - low) * roll)))


def enemy_of(type_: EnemyType, level: int, difficulty: Difficulty, enemy_id: int) -> Enemy:
    """An unhurt enemy of level L: hp 100 + 50L, attack 10 + 5L, defense 5 + 3L.

    Each times its type and the difficulty, rounded. Source: game rules, Battle, enemies.
    """
    build, tier = BUILDS[type_], TIERS[difficulty]
    hp = max(1, round((100 + 50 * level) * build.hp * tier.hp))
    return Enemy(
        enemy_id=enemy_id,
        type=type_,
        level=level,
        hp=hp,
        max_hp=hp,
        attack=round((10 + 5 * level) * build.attack * tier.strength),
        defense=round((5 + 3 * level) * build.defense * tier.strength),
    )


def rewards(battle: Battle) -> dict[str, Reward]:
    """What each participant of a battle won gets, by player.

    100 gold and 50 exp for each wave, times the difficulty; more than half of all damage earns
    20 % more. Participants are all who are seated, and all who dealt damage and left.
    Source: game rules, Battle, rewards.
    """
    total = sum(seat.damage for seat in battle.seats.values())
    return {
        player_id: _reward(battle, leads=2 * seat.damage > total)
        for player_id, seat in battle.seats.items()
        if seat.seated or seat.damage > 0
    }


def _reward(battle: Battle, leads: bool) -> Reward:
    factor = battle.wave * TIERS[battle.difficulty].reward * (LEADER_BONUS if leads else 1.0)
    return Reward(gold=round(GOLD_PER_WAVE * factor), exp=round(EXP_PER_WAVE * factor))
