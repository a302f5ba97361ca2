"""The rules of a player."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from protocol.errors import Code, Failure
from protocol.players import PlayerReason
from server.players import rules
from server.players.rules import Record, Regen

NOW = 1_800_000_000_000
REGEN = Regen(interval_ms=10_000, ratio=0.1)

moments = st.lists(st.integers(0, 300_000), max_size=20)
regens = st.builds(Regen, interval_ms=st.integers(1, 60_000), ratio=st.floats(0.001, 1.0))


def player(**changes: object) -> Record:
    return replace(rules.start("p1", "ada", NOW), **changes)


def total_exp(level: int) -> int:
    return sum(rules.exp_needed(reached) for reached in range(2, level + 1))


def reason(failure: pytest.ExceptionInfo[Failure]) -> str | None:
    assert failure.value.error.code is Code.REFUSED
    return failure.value.error.reason


def test_a_new_player() -> None:
    new = rules.start("p1", "ada", NOW)
    assert (new.level, new.exp, new.gold, new.gems, new.stat_points) == (1, 0, 1000, 0, 0)
    assert (new.attack, new.defense, new.max_hp) == (10, 10, 100)
    assert (new.stamina, new.max_stamina, new.stamina_at) == (100, 100, NOW)
    assert (rules.fighting_attack(new), rules.fighting_defense(new)) == (20, 20)


@pytest.mark.parametrize(
    ("level", "exp"), [(2, 100), (3, 114), (4, 132), (12, 404), (100, int(100 * 1.15**98))]
)
def test_exp_needed(level: int, exp: int) -> None:
    assert rules.exp_needed(level) == exp


@pytest.mark.parametrize("level", [-1, 0, 1, 101])
def test_no_exp_leads_to_other_levels(level: int) -> None:
    with pytest.raises(ValueError, match="no level"):
        rules.exp_needed(level)


@pytest.mark.parametrize("level", range(2, 101))
def test_a_level_begins_exactly_at_its_exp(level: int) -> None:
    assert rules.level_of(total_exp(level)) == level
    assert rules.level_of(total_exp(level) - 1) == level - 1
    assert rules.exp_to_next(total_exp(level) - 1) == 1


def test_levels_end_at_100() -> None:
    assert rules.level_of(0) == 1
    assert rules.level_of(total_exp(100) * 10) == 100
    assert rules.exp_to_next(total_exp(100)) == 0


@given(st.lists(st.integers(0, 10**9), min_size=2))
def test_more_exp_never_means_a_lower_level(totals: list[int]) -> None:
    levels = [rules.level_of(exp) for exp in sorted(totals)]
    assert all(low <= high for low, high in pairwise(levels))


def test_gain_without_a_level_adds_and_leaves_stamina() -> None:
    richer = rules.gain(player(stamina=7), gold=50, exp=99, now=NOW + 5)
    assert richer == player(stamina=7, gold=1050, exp=99)


def test_levels_gained_give_points_and_refill_stamina() -> None:
    risen = rules.gain(player(stamina=7), gold=0, exp=total_exp(11), now=NOW + 5)
    assert (risen.level, risen.stat_points) == (11, 8 * 3 + 8 + 3)
    assert (risen.stamina, risen.stamina_at) == (100, NOW + 5)


@given(st.lists(st.integers(0, 10**6), max_size=30))
def test_gains_in_parts_are_worth_as_much_as_at_once(parts: list[int]) -> None:
    step_by_step = player()
    for exp in parts:
        step_by_step = rules.gain(step_by_step, 1, exp, NOW)
    assert step_by_step == rules.gain(player(), len(parts), sum(parts), NOW)


def test_all_stat_points_of_a_life() -> None:
    assert rules.gain(player(), 0, total_exp(100), NOW).stat_points == 89 * 3 + 10 * 8


@pytest.mark.parametrize(("gold", "exp"), [(-1, 0), (0, -1)])
def test_a_negative_gain_is_a_fault(gold: int, exp: int) -> None:
    with pytest.raises(ValueError, match="negative"):
        rules.gain(player(), gold, exp, NOW)


def test_stamina_grows_by_whole_intervals_and_keeps_the_rest() -> None:
    tired = player(stamina=0)
    assert rules.with_regen(tired, NOW + 9_999, REGEN) == tired
    later = rules.with_regen(tired, NOW + 25_000, REGEN)
    assert (later.stamina, later.stamina_at) == (20, NOW + 20_000)
    assert rules.with_regen(later, NOW + 30_000, REGEN).stamina == 30


def test_stamina_stops_at_its_maximum_and_starts_anew_when_spent() -> None:
    full = rules.with_regen(player(stamina=95), NOW + 12_000, REGEN)
    assert (full.stamina, full.stamina_at) == (100, NOW + 12_000)
    spent = rules.spend_stamina(rules.with_regen(full, NOW + 60_000, REGEN), 10)
    assert (spent.stamina, spent.stamina_at) == (90, NOW + 60_000)


def test_a_small_maximum_still_grows() -> None:
    assert Regen(10_000, 0.1).amount(3) == 1
    assert Regen(10_000, 0.29).amount(100) == 29


@given(st.integers(0, 100), moments, st.integers(0, 300_000), regens)
def test_how_often_stamina_is_read_makes_no_difference(
    stamina: int, reads: list[int], end: int, regen: Regen
) -> None:
    tired = player(stamina=stamina)
    record = tired
    for at in sorted(read for read in reads if read <= end):
        record = rules.with_regen(record, NOW + at, regen)
    once = rules.with_regen(tired, NOW + end, regen)
    assert rules.with_regen(record, NOW + end, regen) == once


@given(st.integers(0, 100), moments, regens)
def test_a_clock_that_jumps_gives_no_stamina(stamina: int, reads: list[int], regen: Regen) -> None:
    record = player(stamina=stamina)
    for at in reads:
        record = rules.with_regen(record, NOW + at, regen)
    latest = max(reads, default=0)
    assert record == rules.with_regen(player(stamina=stamina), NOW + latest, regen)


@given(st.lists(st.tuples(st.integers(0, 30_000), st.integers(0, 60)), max_size=40))
def test_all_stamina_spent_was_there_or_has_grown(steps: list[tuple[int, int]]) -> None:
    record, now, spent = player(), NOW, 0
    for wait, cost in steps:
        now += wait
        try:
            record = rules.spend_stamina(rules.with_regen(record, now, REGEN), cost)
        except Failure:
            continue
        spent += cost
        assert 0 <= record.stamina <= record.max_stamina
    assert spent <= 100 + 10 * ((now - NOW) // REGEN.interval_ms)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    tired = player(stamina=5)
    assert rules.with_regen(tired, NOW - 60_000, REGEN) == tired
    assert rules.with_regen(player(), NOW - 60_000, REGEN) == player()
    spent = rules.spend_stamina(rules.with_regen(player(), NOW - 60_000, REGEN), 10)
    assert (spent.stamina, spent.stamina_at) == (90, NOW)
    assert rules.gain(player(stamina=5), 0, 100, NOW - 60_000).stamina_at == NOW


def test_spending_counts_what_has_grown() -> None:
    spent = rules.spend_stamina(rules.with_regen(player(stamina=5), NOW + 13_000, REGEN), 15)
    assert (spent.stamina, spent.stamina_at) == (0, NOW + 10_000)


def test_the_exhausted_are_refused() -> None:
    with pytest.raises(Failure) as failure:
        rules.spend_stamina(rules.with_regen(player(stamina=5), NOW + 13_000, REGEN), 16)
    assert reason(failure) == PlayerReason.EXHAUSTED


def test_gems_are_spent() -> None:
    assert rules.spend_gems(player(gems=50), 50).gems == 0


def test_too_few_gems_are_refused() -> None:
    with pytest.raises(Failure) as failure:
        rules.spend_gems(player(gems=49), 50)
    assert reason(failure) == PlayerReason.NOT_ENOUGH_GEMS


def test_nothing_negative_can_be_spent() -> None:
    with pytest.raises(ValueError, match="negative"):
        rules.spend_stamina(rules.with_regen(player(), NOW, REGEN), -1)
    with pytest.raises(ValueError, match="negative"):
        rules.spend_gems(player(), -1)
    with pytest.raises(ValueError, match="negative"):
        rules.allocate(player(stat_points=3), 2, -1, 0, NOW)


def test_points_raise_attack_and_defense_one_for_one() -> None:
    raised = rules.allocate(player(stat_points=3, stamina=1), 1, 2, 0, NOW + 5)
    assert raised == player(stamina=1, attack=11, defense=12)


def test_raising_max_stamina_refills_it() -> None:
    raised = rules.allocate(player(stat_points=3, stamina=1), 0, 0, 2, NOW + 5)
    assert (raised.max_stamina, raised.stamina, raised.stamina_at) == (102, 102, NOW + 5)
    assert raised.stat_points == 1


def test_allocating_nothing_is_invalid() -> None:
    with pytest.raises(Failure) as failure:
        rules.allocate(player(stat_points=3), 0, 0, 0, NOW)
    assert failure.value.error.code is Code.INVALID


def test_more_points_than_there_are_are_refused() -> None:
    with pytest.raises(Failure) as failure:
        rules.allocate(player(stat_points=3), 1, 1, 2, NOW)
    assert reason(failure) == PlayerReason.NOT_ENOUGH_POINTS


def test_what_clients_see_of_a_player() -> None:
    seen = rules.view(player(exp=150, level=2))
    assert (seen.player_id, seen.name, seen.level, seen.exp_to_next) == ("p1", "ada", 2, 64)
    kept = set(Record.__struct_fields__) - {"stamina", "stamina_at", "rev"}
    assert set(type(seen).__struct_fields__) == kept | {"exp_to_next"}


def test_nobody_waits_for_a_clock_that_was_set_back() -> None:
    """How long ago the stamina was right is not known: long enough."""
    tired = player(stamina=5)
    for back in (1, 5 * 60_000):
        assert rules.with_regen(tired, NOW - back, REGEN) == tired
    rested = rules.with_regen(tired, NOW - 5 * 60_000 - 1, REGEN)
    assert (rested.stamina, rested.stamina_at) == (rested.max_stamina, NOW - 5 * 60_000 - 1)


def test_what_clients_see_of_stamina() -> None:
    tired = rules.stamina_view(player(stamina=5, max_stamina=123), REGEN)
    assert (tired.amount, tired.maximum, tired.regen, tired.interval_s) == (5, 123, 12, 10.0)
    assert (tired.at, tired.next_at) == ("2027-01-15T08:00:00.000Z", "2027-01-15T08:00:10.000Z")
    assert rules.stamina_view(player(), REGEN).next_at is None


@given(st.integers(0, 99), st.integers(0, 100_000))
def test_clients_are_told_the_moment_of_the_next_growth(stamina: int, at: int) -> None:
    record = rules.with_regen(player(stamina=stamina), NOW + at, REGEN)
    if record.stamina == record.max_stamina:
        return
    next_at = record.stamina_at + REGEN.interval_ms
    before = rules.with_regen(record, next_at - 1, REGEN)
    after = rules.with_regen(record, next_at, REGEN)
    assert before.stamina == record.stamina < after.stamina


def test_a_record_survives_json() -> None:
    record = player(gems=3, rev=7)
    assert msgspec.json.decode(msgspec.json.encode(record), type=Record) == record
