"""The figures and names of battles."""

from typing import Final

import msgspec

from protocol.battles import AttackKind, Difficulty, EnemyType

MAX_PLAYERS: Final = 10
MAX_ENEMIES: Final = 10
MAX_PARTICIPANTS: Final = 100
"""Who has ever had a seat in a battle: its end writes a row for each, in one unit."""
CHAT_LINES: Final = 50

BASE_CRIT: Final = 0.10
CRIT_FACTOR: Final = 2.0
SPREAD: Final = (0.9, 1.1)

TARGETS: Final = 3
"""Enemies choose among this many players: those who dealt most."""

HIT_INTERVAL_MS: Final = 10_000
GRACE_MS: Final = 120_000
FREE_REVIVAL_MS: Final = 15 * 60_000
ALL_DOWN_MS: Final = 60_000
NOBODY_SEATED_MS: Final = 5 * 60_000

REVIVE_GEMS: Final = 50

GOLD_PER_WAVE: Final = 100
EXP_PER_WAVE: Final = 50
LEADER_BONUS: Final = 1.2
"""For the player who dealt more than half of the damage."""


class AttackStats(msgspec.Struct, frozen=True):
    """A way to strike: stamina it costs, factor on damage, probability of a crit, factor of one."""

    cost: int
    factor: float
    crit_chance: float
    crit_factor: float


class Tier(msgspec.Struct, frozen=True):
    """A difficulty: factors on enemies' hp, on their attack and defense, on gold and exp; waves."""

    hp: float
    strength: float
    reward: float
    waves: int


class Build(msgspec.Struct, frozen=True):
    """An enemy type: factors on hp, attack and defense."""

    hp: float
    attack: float
    defense: float


def _attack(cost: int, factor: float, extra_crit: float) -> AttackStats:
    """An attack kind: `extra_crit` adds to the probability of a crit, and a crit doubles damage."""
    return AttackStats(cost, factor, BASE_CRIT + extra_crit, factor * CRIT_FACTOR)


ATTACKS: Final[dict[AttackKind, AttackStats]] = {
    AttackKind.QUICK: _attack(5, 0.7, 0.0),
    AttackKind.NORMAL: _attack(10, 1.0, 0.0),
    AttackKind.POWER: _attack(20, 1.5, 0.05),
    AttackKind.CRITICAL: _attack(35, 2.2, 0.15),
    AttackKind.ULTIMATE: _attack(50, 3.0, 0.25),
}
"""Source: game rules, Battle, attack kinds."""

TIERS: Final[dict[Difficulty, Tier]] = {
    Difficulty.EASY: Tier(1.0, 1.0, 1.0, 1),
    Difficulty.MEDIUM: Tier(1.5, 1.2, 1.5, 2),
    Difficulty.HARD: Tier(2.5, 1.5, 2.5, 3),
    Difficulty.EPIC: Tier(4.0, 2.0, 4.0, 4),
    Difficulty.LEGENDARY: Tier(6.0, 2.5, 6.0, 5),
}
"""Source: game rules, Battle, difficulty multipliers and waves."""

BUILDS: Final[dict[EnemyType, Build]] = {
    EnemyType.GOBLIN: Build(1.0, 0.8, 0.7),
    EnemyType.ORC: Build(1.3, 1.1, 0.9),
    EnemyType.TROLL: Build(2.0, 0.9, 1.2),
    EnemyType.LIZARDMAN: Build(1.2, 1.0, 1.0),
    EnemyType.DEMON: Build(1.5, 1.3, 1.1),
    EnemyType.DRAGON: Build(3.0, 1.5, 1.4),
    EnemyType.UNDEAD: Build(0.8, 1.0, 0.6),
}
"""Source: game rules, Battle, enemies."""

ENEMY_TYPES: Final = tuple(BUILDS)

NAMES: Final[dict[Difficulty, tuple[str, ...]]] = {
    Difficulty.EASY: (
        "Millbrook Ford",
        "The Tinker's Lane",
        "Sparrow Hollow",
        "Low Orchard",
        "Candle Cellar",
    ),
    Difficulty.MEDIUM: (
        "Greywater Locks",
        "The Salt Stair",
        "Thornwick Palisade",
        "Copper Gallery",
        "Heron Causeway",
    ),
    Difficulty.HARD: (
        "The Broken Aqueduct",
        "Ashmoor Redoubt",
        "Wolfsbane Pass",
        "The Drowned Arsenal",
        "Kestrel Keep",
    ),
    Difficulty.EPIC: (
        "The Glass Citadel",
        "Stormcrown Ridge",
        "Vault of the Ninth Bell",
        "The Ember Colossus",
        "Hollow Moon Gate",
    ),
    Difficulty.LEGENDARY: (
        "The Last Meridian",
        "Throne of Cinders",
        "Nightfall at Oran Vey",
        "The Unlit Sun",
        "Where Rivers End",
    ),
}
