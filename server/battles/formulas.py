"""The formulas of battles: blows, enemies, rewards, and the rolls that chance takes. Pure."""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import Final, TypeVar

from protocol.battles import Battle, Difficulty, Enemy, EnemyType, Reward
from server.battles.catalogue import (
    BUILDS,
    EXP_PER_WAVE,
    GOLD_PER_WAVE,
    LEADER_BONUS,
    SPREAD,
    TIERS,
)

T = TypeVar("T")

_NUMBERS: Final = Struct(">8Q").unpack
"""Those of one digest. They are given out from the last one on."""


class Rolls:
    """The rolls of one decision: chance that can be repeated.

    `seed` is the battle's own and secret until it is over: whoever knows it knows what will be
    rolled. `seq` is the battle's when the decision is taken, so the event numbered n that a
    decision begins with can be decided again, and compared, with Rolls(seed, n - 1).
    """

    __slots__ = ("_digests", "_left", "_seed", "_seq")

    def __init__(self, seed: str, seq: int) -> None:
        self._seed = seed
        self._seq = seq
        self._digests = 0
        self._left: list[int] = []

    def next(self) -> float:
        """The next number, uniform in [0, 1)."""
        left = self._left
        if not left:
            digest = blake2b(f"{self._seed}:{self._seq}:{self._digests}".encode()).digest()
            left = self._left = list(_NUMBERS(digest))
            self._digests += 1
        # 53 bits are what a float holds exactly: more would round up to 1.0 now and then.
        return (left.pop() >> 11) / (1 << 53)

    def choice(self, options: Sequence[T]) -> T:
        """One of the options, each as likely. Takes one number. Raises IndexError for none."""
        return options[int(self.next() * len(options))]


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
