"""Strikes in a battle that 1,000 watch, each stored before it is told: how many, and how late?

A player strikes as soon as all have seen the strike before: with one under way at a time, then
with four. Beside it, python-socketio relays the same bytes to 1,000 and stores nothing.
"""

from typing import NamedTuple

from scripts.benches.generator import Generator
from scripts.benches.result import Result, figures, percentile
from scripts.benches.sides import NAMES, Side, both

ROUNDS = 5
SECONDS = 3.0
WATCHERS = 1000
MANY = 4
WARM_UP_S = 1.0
FIGURES = {
    "told/s, 1 strike under way": "told_s",
    "told per CPU second of the server": "told_cpu_s",
    "until the last one is told, p50, ms": "p50_ms",
    "until the last one is told, p99, ms": "p99_ms",
    f"told/s, {MANY} under way": "many_told_s",
    f"told per CPU second of the server, {MANY}": "many_told_cpu_s",
    "load's core, working": "load_working",
}


class Round(NamedTuple):
    """What was measured in one round."""

    told_s: float
    told_cpu_s: float
    p50_ms: float
    p99_ms: float
    many_told_s: float
    many_told_cpu_s: float
    load_working: float


async def run(rounds: int, seconds: float) -> Result:
    """Measure. A round is `seconds` long, twice, and some before."""
    pairs = []
    async with both(WATCHERS) as (generator, sides):
        for side in sides:
            _watch(generator, side)
        for _ in range(rounds):
            base, other = (_round(generator, side, seconds) for side in sides)
            pairs.append((base, other))
    title = f"broadcast: a battle that {WATCHERS:,} watch"
    return Result(title, seconds, NAMES, figures(pairs, FIGURES))


def _watch(generator: Generator, side: Side) -> None:
    """The first of all has a seat, and the others watch."""
    wires = [generator.connect(side.server.url, token) for token in side.tokens]
    battle_id = generator.ok(wires[0], "battles.list")["items"][0]["battle_id"]
    generator.take_seat(wires[0], battle_id)
    for wire in wires:
        generator.watch(wire, battle_id, WATCHERS)
    side.strikers.append(wires[0])


def _round(generator: Generator, side: Side, seconds: float) -> Round:
    [striker] = side.strikers
    side.measured(lambda: generator.broadcast(striker, WARM_UP_S, 1))
    one, one_s = side.measured(lambda: generator.broadcast(striker, seconds, 1))
    many, many_s = side.measured(lambda: generator.broadcast(striker, seconds, MANY))
    return Round(
        told_s=one.told_s,
        told_cpu_s=one.told / one_s,
        p50_ms=percentile(one.late_ms, 0.50),
        p99_ms=percentile(one.late_ms, 0.99),
        many_told_s=many.told_s,
        many_told_cpu_s=many.told / many_s,
        load_working=max(one.working, many.working),
    )
