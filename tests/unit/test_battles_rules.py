"""The rules of battles: decisions, state, and what time brings about."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.battle_events import (
    Abandoned,
    AbandonReason,
    BattleEvent,
    ChatSaid,
    Completed,
    Created,
    EnemiesStruck,
    EnemyDefeated,
    LeftReason,
    PlayerDown,
    PlayerJoined,
    PlayerLeft,
    PlayerReturned,
    PlayerRevived,
    RewardClaimed,
    Started,
    Struck,
    WaveStarted,
)
from protocol.battles import (
    AttackKind,
    Battle,
    BattleReason,
    Difficulty,
    EnemyType,
    Reward,
    Seat,
    Status,
)
from protocol.errors import Code, Failure
from protocol.message import Kind, specs
from protocol.times import millis, rfc3339
from server.battles import formulas, rules, schedule
from server.battles.catalogue import ATTACKS, BUILDS, MAX_PARTICIPANTS, NAMES, TIERS
from server.battles.formulas import Rolls
from server.battles.state import QUIET, apply, fold, is_over, seated, summary
from server.players.rules import Record, start

NOW = 1_800_000_000_000
SECOND = 1000
MINUTE = 60 * SECOND
SEED = "seed of the tests"
GRACE = 120 * SECOND

LOGGED = frozenset(spec.type for spec in specs(Kind.EVENT) if issubclass(spec.type, BattleEvent))


class Fixed(Rolls):
    """Rolls that are always the same number."""

    def __init__(self, number: float) -> None:
        super().__init__("", 0)
        self._number = number

    def next(self) -> float:
        return self._number


PLAIN = Fixed(0.5)  # no crit, and the middle of the spread
CRIT = Fixed(0.0)


def hero(number: int = 1, **changes: Any) -> Record:
    return replace(start(f"p{number}", f"hero{number}", NOW), **changes)


def waiting(difficulty: Difficulty = Difficulty.EASY, level: int = 1) -> Battle:
    return rules.offer("b1", difficulty, level, NOW, PLAIN)


def begun(*players: Record, difficulty: Difficulty = Difficulty.EASY) -> Battle:
    battle = waiting(difficulty)
    for player in players or (hero(),):
        battle = fold(battle, rules.join(battle, player, NOW, PLAIN))
    return battle


def seat(battle: Battle, player_id: str = "p1", **changes: Any) -> Battle:
    return replace(
        battle, seats={**battle.seats, player_id: replace(battle.seats[player_id], **changes)}
    )


def down(battle: Battle, player_id: str = "p1", now: int = NOW) -> Battle:
    return apply(battle, PlayerDown(battle_id="b1", player_id=player_id, at=rfc3339(now)))


def weak(battle: Battle, hp: int = 1) -> Battle:
    return replace(battle, enemies=tuple(replace(enemy, hp=hp) for enemy in battle.enemies))


def quiet(battle: Battle) -> Battle:
    """The battle with enemies that do not strike."""
    return replace(battle, next_hit_at=None)


def strike(
    battle: Battle,
    enemy_id: int,
    rolls: Rolls = PLAIN,
    kind: AttackKind = AttackKind.NORMAL,
    player_id: str = "p1",
) -> tuple[BattleEvent, ...]:
    return rules.strike(battle, player_id, enemy_id, kind, 50, rolls, NOW)


def clear_wave(battle: Battle, player_id: str = "p1") -> tuple[Battle, tuple[BattleEvent, ...]]:
    """Strike all enemies down with single blows: the battle after, and the last blow's events."""
    events: tuple[BattleEvent, ...] = ()
    battle = weak(battle)
    for enemy in battle.enemies:
        events = strike(battle, enemy.enemy_id, player_id=player_id)
        battle = fold(battle, events)
    return battle, events


def won(*players: Record, difficulty: Difficulty = Difficulty.EASY) -> Battle:
    battle = begun(*players, difficulty=difficulty)
    while not is_over(battle):
        battle, _ = clear_wave(battle)
    return battle


def types(events: Iterable[BattleEvent]) -> list[type[BattleEvent]]:
    return [type(event) for event in events]


def refusal(decide: Callable[[], object]) -> str | None:
    with pytest.raises(Failure) as failure:
        decide()
    assert failure.value.error.code is Code.REFUSED
    return failure.value.error.reason


class TestRolls:
    def test_the_same_place_gives_the_same_numbers(self) -> None:
        one, other = Rolls(SEED, 7), Rolls(SEED, 7)
        assert [one.next() for _ in range(9)] == [other.next() for _ in range(9)]

    def test_other_seeds_and_places_give_other_numbers(self) -> None:
        firsts = {Rolls(seed, seq).next() for seed in ("a", "b", "c") for seq in range(300)}
        assert len(firsts) == 900

    def test_the_numbers_never_change(self) -> None:
        """A log of years ago is still to be audited."""
        rolls = Rolls("seed", 1)
        numbers = [rolls.next() for _ in range(9)]
        assert (numbers[0], numbers[7], numbers[8]) == (
            0.9180876052779436,
            0.5715045614547571,
            0.9371301558985248,
        )

    @given(st.text(), st.integers(0, 2**53))
    def test_numbers_are_from_0_up_to_but_not_1(self, seed: str, seq: int) -> None:
        rolls = Rolls(seed, seq)
        assert all(0 <= rolls.next() < 1 for _ in range(20))

    def test_numbers_are_spread_evenly(self) -> None:
        rolls = Rolls(SEED, 1)
        tenths = Counter(int(rolls.next() * 10) for _ in range(10_000))
        assert all(850 < tenths[tenth] < 1150 for tenth in range(10))

    def test_a_choice_reaches_the_first_and_the_last(self) -> None:
        assert Fixed(0.0).choice("abc") == "a"
        assert Fixed(1 - 2**-53).choice("abc") == "c"


class TestFormulas:
    @pytest.mark.parametrize(
        ("attack", "defense", "factor", "roll", "expected"),
        [
            (20, 0, 1.0, 0.5, 20),
            (20, 7, 1.0, 0.5, 17),
            (20, 6, 2.0, 0.5, 34),
            (100, 0, 1.0, 0.0, 90),
            (100, 0, 1.0, 1 - 2**-53, 110),
            (100, 0, 0.7, 0.5, 70),
            (5, 100, 1.0, 0.5, 1),
            (5, 100, 3.0, 0.5, 3),
            (0, 0, 0.7, 0.0, 1),
        ],
    )
    def test_damage(
        self, attack: int, defense: int, factor: float, roll: float, expected: int
    ) -> None:
        assert formulas.damage(attack, defense, factor, roll) == expected

    @pytest.mark.parametrize(
        ("kind", "cost", "factor", "chance"),
        [
            (AttackKind.QUICK, 5, 0.7, 0.10),
            (AttackKind.NORMAL, 10, 1.0, 0.10),
            (AttackKind.POWER, 20, 1.5, 0.15),
            (AttackKind.CRITICAL, 35, 2.2, 0.25),
            (AttackKind.ULTIMATE, 50, 3.0, 0.35),
        ],
    )
    def test_attack_kinds(self, kind: AttackKind, cost: int, factor: float, chance: float) -> None:
        assert ATTACKS[kind].cost == cost
        assert ATTACKS[kind].crit_chance == pytest.approx(chance)
        assert ATTACKS[kind].factor == factor
        assert ATTACKS[kind].crit_factor == 2 * factor

    def test_every_kind_difficulty_and_type_has_its_figures(self) -> None:
        assert set(ATTACKS) == set(AttackKind)
        assert set(TIERS) == set(NAMES) == set(Difficulty)
        assert set(BUILDS) == set(EnemyType)
        assert len({name for names in NAMES.values() for name in names}) == 25

    def test_an_enemy_is_scaled_by_level_type_and_difficulty(self) -> None:
        goblin = formulas.enemy_of(EnemyType.GOBLIN, 1, Difficulty.EASY, 1)
        assert (goblin.hp, goblin.max_hp, goblin.attack, goblin.defense) == (150, 150, 12, 6)
        dragon = formulas.enemy_of(EnemyType.DRAGON, 9, Difficulty.LEGENDARY, 4)
        assert (dragon.hp, dragon.attack, dragon.defense) == (9900, 206, 112)


class TestOffer:
    @pytest.mark.parametrize("difficulty", Difficulty)
    def test_a_new_battle_waits(self, difficulty: Difficulty) -> None:
        battle = rules.offer("b1", difficulty, 5, NOW, Rolls(SEED, 0))
        assert battle.status is Status.WAITING
        assert battle.name in NAMES[difficulty]
        assert (battle.required_level, battle.max_players, battle.seq) == (5, 10, 0)
        assert battle.waves == list(Difficulty).index(difficulty) + 1
        assert schedule.due(battle) is None
        assert schedule.tick(battle, NOW + 60 * MINUTE, PLAIN) == ()

    def test_its_first_event_carries_it_in_whole(self) -> None:
        battle = waiting()
        assert apply(battle, Created(battle_id="b1", battle=battle)) == replace(battle, seq=1)

    def test_its_summary(self) -> None:
        battle = fold(begun(hero(1), hero(2)), ())
        line = summary(apply(battle, rules.leave(battle, "p1", NOW)[0]))
        assert (line.players, line.wave, line.status) == (1, 1, Status.IN_PROGRESS)
        for name in type(line).__struct_fields__:
            assert name == "players" or getattr(line, name) == getattr(battle, name)


class TestJoin:
    def test_the_first_player_starts_the_battle(self) -> None:
        events = rules.join(waiting(), hero(), NOW, PLAIN)
        assert types(events) == [PlayerJoined, Started, WaveStarted]
        battle = fold(waiting(), events)
        assert battle.status is Status.IN_PROGRESS
        assert (battle.wave, battle.seq, len(battle.enemies)) == (1, 3, 3)
        assert battle.started_at == rfc3339(NOW)
        assert battle.next_hit_at == rfc3339(NOW + 10 * SECOND)

    def test_a_seat_has_the_totals_with_equipment(self) -> None:
        assert begun(hero(attack=12, defense=13)).seats["p1"] == Seat(
            player_id="p1",
            name="hero1",
            level=1,
            attack=22,
            defense=23,
            hp=100,
            max_hp=100,
        )

    def test_the_second_only_takes_a_seat(self) -> None:
        assert types(rules.join(begun(), hero(2), NOW, PLAIN)) == [PlayerJoined]

    def test_whoever_is_seated_changes_nothing(self) -> None:
        assert rules.join(begun(), hero(), NOW, PLAIN) == ()

    def test_whoever_is_away_returns(self) -> None:
        battle = begun()
        gone = fold(battle, rules.away(battle, "p1", NOW))
        events = rules.join(gone, hero(), NOW, PLAIN)
        assert types(events) == [PlayerReturned]
        assert fold(gone, events).seats == battle.seats

    def test_a_seat_taken_again_keeps_damage_and_hp(self) -> None:
        battle = seat(begun(), damage=40, hp=30)
        battle = fold(battle, rules.leave(battle, "p1", NOW))
        assert battle.empty_since == rfc3339(NOW)
        battle = fold(battle, rules.join(battle, hero(attack=99), NOW + 1, PLAIN))
        again = battle.seats["p1"]
        assert (again.damage, again.hp, again.attack, again.seated) == (40, 30, 109, True)
        assert battle.empty_since is None

    def test_leaving_does_not_get_anybody_up(self) -> None:
        battle = down(begun())
        battle = fold(battle, rules.leave(battle, "p1", NOW + 1))
        assert battle.all_down_since is None
        battle = fold(battle, rules.join(battle, hero(), NOW + 2, PLAIN))
        assert battle.seats["p1"].down_at == rfc3339(NOW)
        assert battle.all_down_since == rfc3339(NOW + 2)

    def test_a_fresh_player_ends_the_countdown(self) -> None:
        battle = down(begun())
        battle = fold(battle, rules.join(battle, hero(2), NOW + 2, PLAIN))
        assert battle.all_down_since is None

    def test_refusals(self) -> None:
        high = waiting(level=5)
        too_low = refusal(lambda: rules.join(high, hero(level=4), NOW, PLAIN))
        assert too_low == BattleReason.LEVEL_TOO_LOW
        full = begun(*(hero(number) for number in range(10)))
        assert refusal(lambda: rules.join(full, hero(10), NOW, PLAIN)) == BattleReason.FULL
        assert refusal(lambda: rules.join(won(), hero(), NOW, PLAIN)) == BattleReason.OVER

    def test_a_seat_given_up_is_free_for_another(self) -> None:
        full = begun(*(hero(number) for number in range(10)))
        freed = fold(full, rules.leave(full, "p3", NOW))
        freed = fold(freed, rules.join(freed, hero(10), NOW, PLAIN))
        assert refusal(lambda: rules.join(freed, hero(3), NOW, PLAIN)) == BattleReason.FULL


class TestLeaveAwayBack:
    def test_leave(self) -> None:
        (event,) = rules.leave(begun(), "p1", NOW)
        assert event == PlayerLeft(
            battle_id="b1", player_id="p1", reason=LeftReason.LEFT, at=rfc3339(NOW)
        )

    def test_the_last_one_standing_leaves_the_rest_down(self) -> None:
        battle = down(begun(hero(1), hero(2)))
        assert battle.all_down_since is None
        battle = fold(battle, rules.leave(battle, "p2", NOW + 7))
        assert battle.all_down_since == rfc3339(NOW + 7)

    def test_who_leaves_while_all_are_down_does_not_prolong_it(self) -> None:
        battle = down(down(begun(hero(1), hero(2))), "p2", NOW + 5)
        battle = fold(battle, rules.leave(battle, "p2", NOW + 7))
        assert battle.all_down_since == rfc3339(NOW + 5)

    def test_who_leaves_while_away_is_away_no_more(self) -> None:
        battle = begun()
        battle = fold(battle, rules.away(battle, "p1", NOW))
        battle = fold(battle, rules.leave(battle, "p1", NOW + 1))
        assert battle.seats["p1"].away_at is None

    def test_leave_refusals(self) -> None:
        battle = begun()
        assert refusal(lambda: rules.leave(battle, "p2", NOW)) == BattleReason.NOT_SEATED
        left = fold(battle, rules.leave(battle, "p1", NOW))
        assert refusal(lambda: rules.leave(left, "p1", NOW)) == BattleReason.NOT_SEATED
        assert refusal(lambda: rules.leave(won(), "p1", NOW)) == BattleReason.OVER

    def test_away_and_back(self) -> None:
        battle = begun()
        (event,) = rules.away(battle, "p1", NOW)
        gone = apply(battle, event)
        assert gone.seats["p1"].away_at == rfc3339(NOW)
        assert rules.away(gone, "p1", NOW + 5) == ()
        (event,) = rules.back(gone, "p1")
        assert apply(gone, event).seats == battle.seats

    def test_away_and_back_are_nothing_for_others(self) -> None:
        battle = begun()
        assert rules.away(battle, "p2", NOW) == rules.back(battle, "p2") == ()
        assert rules.back(battle, "p1") == ()
        assert rules.away(won(), "p1", NOW) == ()
        left = fold(battle, rules.leave(battle, "p1", NOW))
        assert rules.away(left, "p1", NOW) == ()


class TestStrike:
    def test_a_blow_takes_hp_and_counts(self) -> None:
        battle = begun()
        enemy = battle.enemies[0]
        (event,) = strike(battle, enemy.enemy_id)
        dealt = formulas.damage(20, enemy.defense, 1.0, 0.5)
        assert event == Struck(
            battle_id="b1",
            player_id="p1",
            enemy_id=enemy.enemy_id,
            kind=AttackKind.NORMAL,
            damage=dealt,
            critical=False,
            enemy_hp=enemy.hp - dealt,
            stamina=50,
        )
        after = apply(battle, event)
        assert after.enemies[0].hp == enemy.hp - dealt
        assert after.enemies[1:] == battle.enemies[1:]
        assert after.seats["p1"].damage == dealt

    @pytest.mark.parametrize("kind", AttackKind)
    def test_crits_come_as_often_as_the_kind_says(self, kind: AttackKind) -> None:
        battle = begun()
        blows = [strike(battle, 1, Rolls(SEED, seq), kind)[0] for seq in range(4000)]
        crits = sum(isinstance(blow, Struck) and blow.critical for blow in blows)
        assert crits / 4000 == pytest.approx(ATTACKS[kind].crit_chance, abs=0.025)

    def test_a_crit_doubles(self) -> None:
        battle = begun()
        enemy = battle.enemies[0]
        (event,) = strike(battle, 1, CRIT)
        assert isinstance(event, Struck)
        assert event.critical
        assert event.damage == formulas.damage(20, enemy.defense, 2.0, 0.0)

    def test_no_more_damage_counts_than_the_enemy_had_hp(self) -> None:
        battle = weak(begun(), hp=3)
        struck, defeated = strike(battle, 2, kind=AttackKind.ULTIMATE)
        assert isinstance(struck, Struck)
        assert (struck.damage, struck.enemy_hp) == (3, 0)
        assert defeated == EnemyDefeated(battle_id="b1", enemy_id=2, player_id="p1")

    def test_the_last_of_a_wave_brings_the_next(self) -> None:
        battle, events = clear_wave(begun(difficulty=Difficulty.MEDIUM))
        assert types(events) == [Struck, EnemyDefeated, WaveStarted]
        assert (battle.wave, battle.status) == (2, Status.IN_PROGRESS)
        assert [enemy.enemy_id for enemy in battle.enemies] == [4, 5, 6, 7]
        assert {enemy.level for enemy in battle.enemies} == {3}

    @pytest.mark.parametrize("difficulty", Difficulty)
    def test_the_last_wave_brings_the_victory(self, difficulty: Difficulty) -> None:
        battle, waves = begun(difficulty=difficulty), []
        while not is_over(battle):
            waves.append(len(battle.enemies))
            battle, events = clear_wave(battle)
        assert types(events) == [Struck, EnemyDefeated, Completed]
        assert waves == [3, 4, 5, 6, 7][: TIERS[difficulty].waves]
        assert (battle.status, battle.ended_at) == (Status.COMPLETED, rfc3339(NOW))
        assert battle.next_hit_at is None

    def test_all_types_appear_over_time(self) -> None:
        seen: Counter[EnemyType] = Counter()
        for seed in range(100):
            battle = fold(waiting(), rules.join(waiting(), hero(), NOW, Rolls(str(seed), 1)))
            seen.update(enemy.type for enemy in battle.enemies)
        assert set(seen) == set(EnemyType)
        assert min(seen.values()) > 20

    def test_refusals_in_their_order(self) -> None:
        battle = begun(hero(1), hero(2))
        fallen = fold(weak(battle), strike(weak(battle), 1))
        assert refusal(lambda: strike(won(), 99, player_id="p9")) == BattleReason.OVER
        assert refusal(lambda: strike(waiting(), 1)) == BattleReason.NOT_SEATED
        outsider = refusal(lambda: strike(battle, 99, player_id="p9"))
        assert outsider == BattleReason.NOT_SEATED
        assert refusal(lambda: strike(down(battle), 99)) == BattleReason.DOWN
        assert refusal(lambda: strike(fallen, 1)) == BattleReason.ENEMY_DEFEATED

    @pytest.mark.parametrize("enemy_id", [0, 4, 1000])
    def test_an_enemy_that_never_was_is_not_found(self, enemy_id: int) -> None:
        with pytest.raises(Failure) as failure:
            strike(begun(), enemy_id)
        assert failure.value.error.code is Code.NOT_FOUND

    def test_an_enemy_of_an_earlier_wave_is_defeated(self) -> None:
        battle, _ = clear_wave(begun(difficulty=Difficulty.MEDIUM))
        assert refusal(lambda: strike(battle, 3)) == BattleReason.ENEMY_DEFEATED


class TestChat:
    def test_the_last_50_lines_are_kept(self) -> None:
        battle = begun()
        for number in range(60):
            battle = fold(battle, rules.chat(battle, "p1", f"line {number}", NOW))
        assert [line.text for line in battle.chat] == [f"line {n}" for n in range(10, 60)]
        assert (battle.chat[0].name, battle.chat[0].at) == ("hero1", rfc3339(NOW))

    def test_only_the_seated_speak_also_after_the_end(self) -> None:
        assert types(rules.chat(won(), "p1", "well done", NOW)) == [ChatSaid]
        outsider = refusal(lambda: rules.chat(begun(), "p2", "hello", NOW))
        assert outsider == BattleReason.NOT_SEATED


class TestRevive:
    def test_getting_up_gives_full_hp(self) -> None:
        battle = down(begun())
        assert battle.seats["p1"].hp == 0
        battle = fold(battle, rules.revive(battle, "p1"))
        assert (battle.seats["p1"].hp, battle.seats["p1"].down_at) == (100, None)
        assert battle.all_down_since is None

    def test_refusals(self) -> None:
        assert refusal(lambda: rules.revive(begun(), "p1")) == BattleReason.NOT_DOWN
        assert refusal(lambda: rules.revive(begun(), "p2")) == BattleReason.NOT_SEATED
        assert refusal(lambda: rules.revive(won(), "p1")) == BattleReason.OVER


class TestRewards:
    def test_more_than_half_of_the_damage_earns_more(self) -> None:
        battle = won(hero(1), hero(2))
        rewards = {player_id: found.reward for player_id, found in battle.seats.items()}
        assert rewards == {"p1": Reward(gold=120, exp=60), "p2": Reward(gold=100, exp=50)}

    def test_exactly_half_does_not(self) -> None:
        battle = seat(seat(begun(hero(1), hero(2)), "p1", damage=50), "p2", damage=50)
        assert set(formulas.rewards(battle).values()) == {Reward(gold=100, exp=50)}

    @pytest.mark.parametrize(
        ("difficulty", "gold", "exp"),
        [
            (Difficulty.EASY, 100, 50),
            (Difficulty.MEDIUM, 300, 150),
            (Difficulty.HARD, 750, 375),
            (Difficulty.EPIC, 1600, 800),
            (Difficulty.LEGENDARY, 3000, 1500),
        ],
    )
    def test_rewards_by_difficulty(self, difficulty: Difficulty, gold: int, exp: int) -> None:
        battle = won(hero(1), hero(2), difficulty=difficulty)
        assert battle.seats["p2"].reward == Reward(gold=gold, exp=exp)

    def test_who_left_has_a_share_only_for_damage(self) -> None:
        battle = seat(begun(hero(1), hero(2), hero(3)), "p2", damage=1)
        for player_id in ("p2", "p3"):
            battle = fold(battle, rules.leave(battle, player_id, NOW))
        battle, _ = clear_wave(battle)
        assert battle.seats["p2"].reward == Reward(gold=100, exp=50)
        assert battle.seats["p3"].reward is None

    def test_a_reward_is_claimed_once(self) -> None:
        battle = won()
        events = rules.claim(battle, "p1")
        assert events == (RewardClaimed(battle_id="b1", player_id="p1", gold=120, exp=60),)
        claimed = fold(battle, events)
        assert refusal(lambda: rules.claim(claimed, "p1")) == BattleReason.ALREADY_CLAIMED

    def test_claim_refusals(self) -> None:
        assert refusal(lambda: rules.claim(begun(), "p1")) == BattleReason.NOT_OVER
        assert refusal(lambda: rules.claim(won(), "p2")) == BattleReason.NO_REWARD
        abandoned = Abandoned(battle_id="b1", reason=AbandonReason.ALL_DOWN, at=rfc3339(NOW))
        lost = apply(begun(), abandoned)
        assert refusal(lambda: rules.claim(lost, "p1")) == BattleReason.NO_REWARD


class TestEnemiesStrike:
    def test_before_its_moment_nothing_happens(self) -> None:
        battle = begun()
        assert schedule.due(battle) == battle.next_hit_at
        assert schedule.tick(battle, NOW + 10 * SECOND - 1, PLAIN) == ()

    def test_each_living_enemy_strikes_on_the_beat(self) -> None:
        battle = fold(weak(begun()), strike(weak(begun()), 2))
        (event,) = schedule.tick(battle, NOW + 10 * SECOND, PLAIN)
        assert isinstance(event, EnemiesStruck)
        assert [hit.enemy_id for hit in event.hits] == [1, 3]
        dealt = formulas.damage(battle.enemies[0].attack, 20, 1.0, 0.5)
        assert [hit.hp for hit in event.hits] == [100 - dealt, 100 - 2 * dealt]
        assert event.next_hit_at == rfc3339(NOW + 20 * SECOND)
        assert apply(battle, event).seats["p1"].hp == 100 - 2 * dealt

    @pytest.mark.parametrize(
        ("late", "next_beat"), [(10_000, 20), (19_999, 20), (20_000, 30), (95_000, 100)]
    )
    def test_missed_beats_are_skipped(self, late: int, next_beat: int) -> None:
        battle = begun()
        (event,) = schedule.tick(battle, NOW + late, PLAIN)
        assert isinstance(event, EnemiesStruck)
        assert len(event.hits) == 3
        assert event.next_hit_at == rfc3339(NOW + next_beat * SECOND)

    def test_only_the_three_who_dealt_most_are_struck(self) -> None:
        battle = begun(*(hero(number) for number in range(1, 7)))
        for number in range(1, 7):
            battle = seat(battle, f"p{number}", damage=number, max_hp=10**6, hp=10**6)
        battle = fold(down(battle, "p6"), rules.leave(battle, "p5", NOW))
        struck: Counter[str] = Counter()
        for seq in range(200):
            (event,) = schedule.tick(battle, NOW + 10 * SECOND, Rolls(SEED, seq))
            assert isinstance(event, EnemiesStruck)
            struck.update(hit.player_id for hit in event.hits)
        assert set(struck) == {"p2", "p3", "p4"}
        assert min(struck.values()) > 150

    def test_who_falls_is_down_and_struck_no_more(self) -> None:
        battle = seat(begun(hero(1), hero(2)), "p1", hp=1, damage=9)
        events = schedule.tick(battle, NOW + 10 * SECOND, CRIT)
        assert types(events) == [EnemiesStruck, PlayerDown]
        hits = events[0].hits if isinstance(events[0], EnemiesStruck) else ()
        assert [hit.player_id for hit in hits] == ["p1", "p2", "p2"]
        assert (hits[0].damage, hits[0].hp) == (1, 0)
        after = fold(battle, events)
        assert after.seats["p1"].down_at == rfc3339(NOW + 10 * SECOND)
        assert after.all_down_since is None

    def test_blows_end_when_nobody_stands(self) -> None:
        battle = seat(begun(), hp=1)
        events = schedule.tick(battle, NOW + 10 * SECOND, PLAIN)
        assert types(events) == [EnemiesStruck, PlayerDown]
        after = fold(battle, events)
        assert after.all_down_since == rfc3339(NOW + 10 * SECOND)
        (beat,) = schedule.tick(after, NOW + 20 * SECOND, PLAIN)
        assert isinstance(beat, EnemiesStruck)
        assert beat.hits == ()

    def test_no_crits(self) -> None:
        battle = begun()
        (event,) = schedule.tick(battle, NOW + 10 * SECOND, CRIT)
        assert isinstance(event, EnemiesStruck)
        assert event.hits[0].damage == formulas.damage(battle.enemies[0].attack, 20, 1.0, 0.0)


class TestTime:
    def test_a_free_revival_after_15_minutes(self) -> None:
        battle = quiet(down(begun(hero(1), hero(2))))
        at = NOW + 15 * MINUTE
        assert schedule.due(battle) == rfc3339(at)
        assert schedule.tick(battle, at - 1, PLAIN) == ()
        assert schedule.tick(battle, at, PLAIN) == (
            PlayerRevived(battle_id="b1", player_id="p1", hp=100),
        )

    @pytest.mark.parametrize("grace", [GRACE, 5 * SECOND])
    def test_a_seat_is_kept_for_the_grace_time(self, grace: int) -> None:
        battle = quiet(begun(hero(1), hero(2)))
        battle = fold(battle, rules.away(battle, "p1", NOW))
        at = NOW + grace
        assert schedule.due(battle, grace) == rfc3339(at)
        assert schedule.tick(battle, at - 1, PLAIN, grace) == ()
        (event,) = schedule.tick(battle, at, PLAIN, grace)
        assert event == PlayerLeft(
            battle_id="b1", player_id="p1", reason=LeftReason.DROPPED, at=rfc3339(at)
        )
        assert not apply(battle, event).seats["p1"].seated

    @pytest.mark.parametrize("back", [6 * MINUTE, 180 * MINUTE])
    def test_nothing_waits_for_a_clock_that_was_set_back(self, back: int) -> None:
        """What is counted from a moment that is far ahead has been due for who knows how long."""
        battle = down(begun(hero(1), hero(2)))
        battle = fold(battle, rules.away(battle, "p2", NOW))
        events = schedule.tick(battle, NOW - back, PLAIN)
        assert types(events)[0] is EnemiesStruck
        assert types(events)[-2:] == [PlayerRevived, PlayerLeft]
        battle = fold(battle, events)
        assert battle.next_hit_at is not None
        assert NOW - back < millis(battle.next_hit_at) <= NOW - back + 10 * SECOND
        assert schedule.tick(battle, NOW - back, PLAIN) == ()

    @pytest.mark.parametrize("back", [1, MINUTE, 5 * MINUTE - 1])
    def test_a_clock_that_is_a_little_behind_waits(self, back: int) -> None:
        battle = down(begun(hero(1), hero(2)))
        battle = fold(battle, rules.away(battle, "p2", NOW))
        assert schedule.tick(battle, NOW - back, PLAIN) == ()

    def test_the_grace_time_is_120_seconds_unless_told(self) -> None:
        battle = quiet(begun())
        battle = fold(battle, rules.away(battle, "p1", NOW))
        assert schedule.due(battle) == rfc3339(NOW + GRACE)

    def test_abandoned_when_all_are_down_for_60_seconds(self) -> None:
        battle = quiet(down(down(begun(hero(1), hero(2))), "p2", NOW + 5))
        at = NOW + 5 + 60 * SECOND
        assert schedule.due(battle) == rfc3339(at)
        assert schedule.tick(battle, at - 1, PLAIN) == ()
        events = schedule.tick(battle, at, PLAIN)
        assert events == (Abandoned(battle_id="b1", reason=AbandonReason.ALL_DOWN, at=rfc3339(at)),)
        over = fold(battle, events)
        assert (over.status, over.ended_at) == (Status.ABANDONED, rfc3339(at))
        assert (over.next_hit_at, over.empty_since, over.all_down_since) == (None, None, None)
        assert schedule.due(over) is None
        assert schedule.tick(over, at + 60 * MINUTE, PLAIN) == ()

    def test_abandoned_when_nobody_is_seated_for_5_minutes(self) -> None:
        battle = quiet(begun())
        battle = fold(battle, rules.leave(battle, "p1", NOW))
        at = NOW + 5 * MINUTE
        assert schedule.due(battle) == rfc3339(at)
        assert schedule.tick(battle, at, PLAIN) == (
            Abandoned(battle_id="b1", reason=AbandonReason.NOBODY_SEATED, at=rfc3339(at)),
        )

    def test_a_late_look_keeps_the_order_of_what_fell_due(self) -> None:
        battle = down(begun(hero(1), hero(2)))
        revived_first = quiet(down(battle, "p2", NOW + 14 * MINUTE + 30 * SECOND))
        events = schedule.tick(revived_first, NOW + 60 * MINUTE, PLAIN)
        assert types(events) == [PlayerRevived, PlayerRevived]
        ended_first = quiet(down(battle, "p2", NOW + MINUTE))
        events = schedule.tick(ended_first, NOW + 60 * MINUTE, PLAIN)
        assert types(events) == [Abandoned]

    def test_after_an_outage_a_dropped_seat_leaves_time_to_return(self) -> None:
        battle = quiet(begun())
        battle = fold(battle, rules.away(battle, "p1", NOW))
        (event,) = schedule.tick(battle, NOW + 60 * MINUTE, PLAIN)
        assert isinstance(event, PlayerLeft)
        after = apply(battle, event)
        assert after.empty_since == rfc3339(NOW + 60 * MINUTE)

    def test_a_battle_won_has_nothing_due(self) -> None:
        assert schedule.due(won()) is None
        assert schedule.tick(won(), NOW + 60 * MINUTE, PLAIN) == ()


class TestApply:
    def test_it_knows_every_event_of_a_battle(self) -> None:
        assert {type(event) for event in every_event()} == LOGGED

    def test_it_refuses_others(self) -> None:
        class Unknown(BattleEvent, frozen=True):
            pass

        with pytest.raises(TypeError, match="Unknown"):
            apply(begun(), Unknown(battle_id="b1"))

    def test_each_event_raises_seq_by_one(self) -> None:
        battle = won()
        assert {apply(battle, event).seq for event in every_event()} == {battle.seq + 1}

    def test_the_old_state_stays_as_it_was(self) -> None:
        battle = won()
        before = msgspec.json.encode(battle)
        for event in every_event():
            apply(battle, event)
        assert msgspec.json.encode(battle) == before

    def test_every_event_survives_json(self) -> None:
        for event in every_event():
            raw = msgspec.json.encode(event)
            assert msgspec.json.decode(raw, type=type(event)) == event


def every_event() -> list[BattleEvent]:
    """One of each, as the rules make them."""
    battle = waiting()
    made: list[BattleEvent] = [Created(battle_id="b1", battle=battle)]

    def then(events: tuple[BattleEvent, ...]) -> None:
        nonlocal battle
        made.extend(events)
        battle = fold(battle, events)

    then(rules.join(battle, hero(), NOW, PLAIN))
    then(rules.chat(battle, "p1", "forward", NOW))
    then(rules.away(battle, "p1", NOW))
    then(rules.back(battle, "p1"))
    battle = seat(weak(battle), hp=1)
    then(schedule.tick(battle, NOW + 10 * SECOND, PLAIN))
    then(rules.revive(battle, "p1"))
    empty = fold(battle, rules.leave(battle, "p1", NOW))
    made.extend(rules.leave(battle, "p1", NOW))
    made.extend(schedule.tick(quiet(empty), NOW + 6 * MINUTE, PLAIN))
    for enemy in battle.enemies:
        then(strike(battle, enemy.enemy_id))
    then(rules.claim(battle, "p1"))
    return list({type(event): event for event in made}.values())


# Random courses of battles. An action is a word, a player, a number and the time before it.
Step = tuple[str, int, int, int]

words = ["join", "strike", "tick", "leave", "away", "back", "revive", "chat", "claim"]
words += ["strike"] * 6
numbers = st.one_of(st.integers(1, 3), st.integers(1, 12))
waits = [0, 1, 900, 10_000, 61_000, 130_000, 301_000, 901_000]
actions = st.lists(
    st.tuples(st.sampled_from(words), numbers, st.integers(0, 1000), st.sampled_from(waits)),
    max_size=120,
)
seeds = st.text(min_size=1, max_size=8)
difficulties = st.sampled_from([Difficulty.EASY, Difficulty.MEDIUM])


class Course:
    """A battle as a server runs it: each decision is rolled at the battle's seq and applied."""

    def __init__(self, seed: str, difficulty: Difficulty) -> None:
        self.seed = seed
        self.first = rules.offer("b1", difficulty, 1, NOW, Rolls(seed, 0))
        self.battle = self.first
        self.now = NOW
        self.log: list[BattleEvent] = []
        self.states = [self.first]
        self.record((Created(battle_id="b1", battle=self.first),))

    def record(self, events: tuple[BattleEvent, ...]) -> None:
        for event in events:
            self.battle = apply(self.battle, event)
            self.log.append(event)
            self.states.append(self.battle)

    def act(self, word: str, number: int, pick: int, wait: int) -> None:
        self.now += wait
        try:
            self.record(self.decide(word, number, pick))
        except Failure as failure:
            assert failure.error.code in (Code.REFUSED, Code.NOT_FOUND)

    def decide(self, word: str, number: int, pick: int) -> tuple[BattleEvent, ...]:
        battle, now, player_id = self.battle, self.now, f"p{number}"
        rolls = Rolls(self.seed, battle.seq)
        strong = hero(number, attack=150)  # so that battles end
        enemies = [enemy.enemy_id for enemy in battle.enemies] or [1]
        enemy_id, kind = enemies[pick % len(enemies)], list(AttackKind)[pick % 5]
        decisions: dict[str, Callable[[], tuple[BattleEvent, ...]]] = {
            "join": lambda: rules.join(battle, strong, now, rolls),
            "strike": lambda: rules.strike(battle, player_id, enemy_id, kind, 9, rolls, now),
            "tick": lambda: schedule.tick(battle, now, rolls),
            "leave": lambda: rules.leave(battle, player_id, now),
            "away": lambda: rules.away(battle, player_id, now),
            "back": lambda: rules.back(battle, player_id),
            "revive": lambda: rules.revive(battle, player_id),
            "chat": lambda: rules.chat(battle, player_id, f"line {pick}", now),
            "claim": lambda: rules.claim(battle, player_id),
        }
        return decisions[word]()


def run(seed: str, difficulty: Difficulty, steps: list[Step]) -> Course:
    course = Course(seed, difficulty)
    course.act("join", 1, 0, 0)
    for step in steps:
        course.act(*step)
    return course


def check_state(battle: Battle) -> None:
    taken = seated(battle)
    assert len(taken) <= battle.max_players
    assert all(0 <= enemy.hp <= enemy.max_hp for enemy in battle.enemies)
    assert all(0 <= found.hp <= found.max_hp for found in battle.seats.values())
    assert all(found.damage >= 0 for found in battle.seats.values())
    assert len(battle.chat) <= 50
    if battle.status is Status.IN_PROGRESS:
        assert (battle.empty_since is not None) == (not taken)
        all_down = bool(taken) and all(found.down_at for found in taken)
        assert (battle.all_down_since is not None) == all_down
        assert schedule.due(battle) is not None
    else:
        assert schedule.due(battle) is None


def latest(battle: Battle) -> str:
    """The latest moment at which anything has come about that a battle counts from."""
    moments = [battle.empty_since, battle.all_down_since]
    for found in battle.seats.values():
        moments += [found.down_at, found.away_at]
    if battle.next_hit_at is not None:
        moments.append(rfc3339(millis(battle.next_hit_at) - 10 * SECOND))
    return max(moment or "" for moment in moments)


class TestLaws:
    @given(seeds, difficulties, actions)
    def test_no_course_leads_to_a_state_that_cannot_be(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        for battle in course.states:
            check_state(battle)

    @given(seeds, difficulties, actions)
    def test_quiet_events_change_neither_the_line_nor_when_time_is_next(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        for event, before, after in zip(
            course.log, course.states[:-1], course.states[1:], strict=True
        ):
            if type(event) in QUIET:
                assert summary(before) == summary(after)
                assert schedule.due(before) == schedule.due(after)
                assert is_over(before) == is_over(after)

    @given(seeds, difficulties, actions)
    def test_an_old_state_and_later_events_are_the_new_state(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        assert course.battle.seq == len(course.log)
        for seq in range(0, len(course.states), 7):
            raw = msgspec.json.encode(course.states[seq])
            old = msgspec.json.decode(raw, type=Battle)
            assert old == course.states[seq]
            later = [
                msgspec.json.decode(msgspec.json.encode(event), type=type(event))
                for event in course.log[seq:]
            ]
            assert fold(old, later) == course.battle

    @given(seeds, difficulties, actions)
    def test_the_same_seed_and_actions_give_the_same_log(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        assert run(seed, difficulty, steps).log == run(seed, difficulty, steps).log

    @given(seeds, difficulties, actions)
    def test_every_blow_can_be_decided_again_from_the_log(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        for seq, (before, event) in enumerate(zip(course.states, course.log, strict=False)):
            rolls = Rolls(seed, seq)
            if isinstance(event, Struck):
                again = rules.strike(
                    before, event.player_id, event.enemy_id, event.kind, event.stamina, rolls, 0
                )
                rolled = [e for e in again if not isinstance(e, Completed)]
                assert rolled == course.log[seq : seq + len(rolled)]
            elif isinstance(event, EnemiesStruck):
                now = millis(event.next_hit_at) - 1
                assert schedule.tick(before, now, rolls)[0] == event

    @given(seeds, actions)
    def test_each_participant_is_rewarded_once(self, seed: str, steps: list[Step]) -> None:
        course = run(seed, Difficulty.EASY, steps)
        for number in (11, 12):
            course.act("leave", number, 0, 0)  # a seat for p1, who brings it to its end
        for pick in range(300):
            course.act("join", 1, 0, 0)
            course.act("revive", 1, 0, 0)
            course.act("strike", 1, pick, 0)
        for number in range(1, 13):
            course.act("claim", number, 0, 0)
            course.act("claim", number, 0, 0)
        claims = Counter(e.player_id for e in course.log if isinstance(e, RewardClaimed))
        ends = [event for event in course.log if isinstance(event, Completed | Abandoned)]
        assert len(ends) == 1
        rewarded = ends[0].rewards if isinstance(ends[0], Completed) else {}
        assert claims == dict.fromkeys(rewarded, 1)

    @given(seeds, difficulties, actions)
    def test_damage_of_players_is_what_enemies_lost(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        stood = [e for event in course.log if isinstance(event, WaveStarted) for e in event.enemies]
        left = sum(enemy.hp for enemy in course.battle.enemies)
        dealt = sum(found.damage for found in course.battle.seats.values())
        assert dealt == sum(enemy.max_hp for enemy in stood) - left
        assert len({enemy.enemy_id for enemy in stood}) == len(stood)

    @settings(deadline=None)
    @given(seeds, difficulties, actions)
    def test_a_battle_that_nobody_tends_ends_by_itself(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        course = run(seed, difficulty, steps)
        for number in range(1, 13):
            course.act("away", number, 0, 0)
        for _ in range(200):
            at = schedule.due(course.battle)
            if at is None:
                break
            course.now = max(course.now, millis(at))
            before = course.battle.seq
            course.act("tick", 1, 0, 0)
            assert course.battle.seq > before
            assert (schedule.due(course.battle) or "9") > rfc3339(course.now)
        assert is_over(course.battle)

    @given(seeds, difficulties, actions)
    def test_a_tick_does_something_exactly_when_something_is_due(
        self, seed: str, difficulty: Difficulty, steps: list[Step]
    ) -> None:
        for battle in run(seed, difficulty, steps).states:
            at = schedule.due(battle)
            if at is None or at < latest(battle):
                continue  # what was due before it came to this: nobody looks from before it
            assert schedule.tick(battle, millis(at) - 1, Rolls(seed, battle.seq)) == ()
            assert schedule.tick(battle, millis(at), Rolls(seed, battle.seq)) != ()


def test_only_so_many_players_ever_have_a_seat() -> None:
    battle = begun(hero(0))
    for number in range(1, MAX_PARTICIPANTS):
        battle = fold(battle, rules.join(battle, hero(number), NOW, Rolls("s", battle.seq)))
        battle = fold(battle, rules.leave(battle, f"p{number}", NOW))
    newcomer = hero(MAX_PARTICIPANTS)
    assert refusal(lambda: rules.join(battle, newcomer, NOW, Rolls("s", battle.seq))) == "full"
    assert rules.join(battle, hero(1), NOW, Rolls("s", battle.seq)), "who had one comes back"
