"""Strikes in 50 battles of 4, each stored before it is answered: how many, and how late?

Everybody strikes again as soon as the answer is there, and each of the battle's four is told.
Then strikes come at a fixed rate, and how late an answer is counts from when its strike was due.
Beside it, python-socketio relays the same bytes in rooms of 4 and stores nothing.
"""

from typing import NamedTuple

from scripts.benches.generator import Generator
from scripts.benches.result import Result, figures, percentile
from scripts.benches.sides import NAMES, Side, both

ROUNDS = 5
SECONDS = 4.0
BATTLES = 50
SEATS = 4
RATE = 1000.0
WARM_UP_S = 1.0
FIGURES = {
    "strikes/s": "strikes_s",
    "strikes per CPU second of the server": "strikes_cpu_s",
    "answer at full speed, p50, ms": "p50_ms",
    "answer at full speed, p99, ms": "p99_ms",
    f"answer at {RATE:g} strikes/s, p50, ms": "rate_p50_ms",
    f"answer at {RATE:g} strikes/s, p99, ms": "rate_p99_ms",
    "load's core, working": "load_working",
}


class Round(NamedTuple):
    """What was measured in one round."""

    strikes_s: float
    strikes_cpu_s: float
    p50_ms: float
    p99_ms: float
    rate_p50_ms: float
    rate_p99_ms: float
    load_working: float


async def run(rounds: int, seconds: float) -> Result:
    """Measure. A round is `seconds` long at full speed, as long at the rate, and some before."""
    pairs = []
    async with both(BATTLES * SEATS) as (generator, sides):
        for side in sides:
            _take_seats(generator, side)
        for _ in range(rounds):
            base, other = (_round(generator, side, seconds) for side in sides)
            pairs.append((base, other))
    title = f"strikes: {BATTLES} battles of {SEATS}"
    return Result(title, seconds, NAMES, figures(pairs, FIGURES))


def _take_seats(generator: Generator, side: Side) -> None:
    for first in range(0, BATTLES * SEATS, SEATS):
        wires = [
            generator.connect(side.server.url, token)
            for token in side.tokens[first : first + SEATS]
        ]
        battle_id = generator.ok(wires[0], "battles.list")["items"][0]["battle_id"]
        for wire in wires:
            generator.take_seat(wire, battle_id)
        for wire in wires:
            generator.watch(wire, battle_id, SEATS)
        side.strikers += wires


def _round(generator: Generator, side: Side, seconds: float) -> Round:
    # The event loop stands still meanwhile: nothing else is to run on this core.
    strikers = side.strikers
    side.measured(lambda: generator.flat_out(strikers, WARM_UP_S))
    flat_out, server_s = side.measured(lambda: generator.flat_out(strikers, seconds))
    at_a_rate, _ = side.measured(lambda: generator.at_a_rate(strikers, RATE, seconds))
    return Round(
        strikes_s=flat_out.strikes_s,
        strikes_cpu_s=flat_out.strikes / server_s,
        p50_ms=percentile(flat_out.late_ms, 0.50),
        p99_ms=percentile(flat_out.late_ms, 0.99),
        rate_p50_ms=percentile(at_a_rate.late_ms, 0.50),
        rate_p99_ms=percentile(at_a_rate.late_ms, 0.99),
        load_working=flat_out.working,
    )
