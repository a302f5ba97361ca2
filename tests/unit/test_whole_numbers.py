"""Fractions become whole numbers as the game rules say: damage is cut off, the rest is rounded."""

import pytest
from msgspec.structs import replace

from protocol.battles import Difficulty, EnemyType, Reward
from server.battles import formulas, rules
from server.battles.formulas import Rolls
from server.battles.state import fold
from server.players.rules import Regen, start

MIDDLE = 0.5
"""A roll whose factor is 1."""


@pytest.mark.parametrize(
    ("attack", "defense", "factor", "exact"),
    [
        (20, 0, 0.7, 14.0),
        (21, 0, 0.7, 14.7),
        (20, 7, 1.0, 17.0),  # half of 7 counts as 3
        (20, 1, 1.0, 20.0),  # and half of 1 as nothing
        (20, 7, 0.7, 11.9),
        (23, 0, 0.7, 16.1),
    ],
)
def test_damage_is_cut_off(attack: int, defense: int, factor: float, exact: float) -> None:
    assert formulas.damage(attack, defense, factor, MIDDLE) == int(exact)


@pytest.mark.parametrize(("roll", "dealt"), [(0.0, 15), (0.4, 16), (0.6, 17), (0.999, 18)])
def test_damage_is_cut_off_wherever_the_roll_is(roll: float, dealt: int) -> None:
    """Of 17: 15.3, 16.66, 17.34 and nearly 18.7."""
    assert formulas.damage(17, 0, 1.0, roll) == dealt


@pytest.mark.parametrize(
    ("type_", "level", "difficulty", "hp", "attack", "defense"),
    [
        # 195 hp; 16.5, a half, which goes to the even number; 7.2
        (EnemyType.ORC, 1, Difficulty.EASY, 195, 16, 7),
        # 487.5, likewise; 24.75; 10.8
        (EnemyType.ORC, 1, Difficulty.HARD, 488, 25, 11),
        # 292.5; 19.8; 8.64
        (EnemyType.ORC, 1, Difficulty.MEDIUM, 292, 20, 9),
        # 150 hp; 12; 5.6
        (EnemyType.GOBLIN, 1, Difficulty.EASY, 150, 12, 6),
    ],
)
def test_what_an_enemy_has_is_rounded(
    type_: EnemyType, level: int, difficulty: Difficulty, hp: int, attack: int, defense: int
) -> None:
    enemy = formulas.enemy_of(type_, level, difficulty, 1)
    assert (enemy.hp, enemy.max_hp, enemy.attack, enemy.defense) == (hp, hp, attack, defense)


@pytest.mark.parametrize(
    ("difficulty", "wave", "gold", "exp"),
    [
        (Difficulty.EASY, 1, 120, 60),
        (Difficulty.MEDIUM, 2, 360, 180),  # in floating point 359.99999999999994
        (Difficulty.HARD, 3, 900, 450),
        (Difficulty.EPIC, 4, 1920, 960),
        (Difficulty.EPIC, 3, 1440, 720),  # 1439.9999999999998
        (Difficulty.LEGENDARY, 5, 3600, 1800),
        (Difficulty.LEGENDARY, 4, 2880, 1440),  # 2879.9999999999995
    ],
)
def test_a_reward_is_rounded(difficulty: Difficulty, wave: int, gold: int, exp: int) -> None:
    """That of the player who leads: 20 % more."""
    battle = rules.offer("b", difficulty, 1, 0, Rolls("seed", 0))
    events = rules.join(battle, start("p", "hero", 0), 0, Rolls("seed", 1))
    battle = replace(fold(battle, events), wave=wave)
    battle = replace(battle, seats={"p": replace(battle.seats["p"], damage=1)})
    assert formulas.rewards(battle) == {"p": Reward(gold=gold, exp=exp)}


@pytest.mark.parametrize(
    ("maximum", "points"), [(100, 10), (104, 10), (106, 11), (115, 12), (4, 1)]
)
def test_stamina_grows_by_the_nearest_whole_number(maximum: int, points: int) -> None:
    assert Regen().amount(maximum) == points
