"""The cost and the latency of messages that are not stored, beside Node's Socket.IO server.

Each server in turn gets the same load and one core, and is started anew for each sample. The load
generator, which never sleeps, has the other core. The bench compares messages per CPU second of the
server.
"""

import sys
from typing import Final, NamedTuple

from scripts.benches.compiled import programs
from scripts.benches.result import Asked, Bar, Figure, Result, at_least, at_most
from scripts.benches.sides import LIMIT, NODE, STOCK, WARROOM, Sample, lasting, loaded, running

ROUNDS: Final = 5
SECONDS: Final = 3.0
SIDES: Final = (NODE, WARROOM, STOCK, LIMIT)


class Seen(NamedTuple):
    """A figure of a load: its name, the attribute of a sample, and its bar."""

    name: str
    attribute: str
    bar: Bar


class Load(NamedTuple):
    """One kind of load, as the generator is asked for it, and what is looked at."""

    options: tuple[str, ...]
    seen: tuple[Seen, ...]


NO_WORSE: Final = at_most(1.0)
LOADS: Final = (
    Load(
        ("broadcast", "--clients", "1000"),
        (
            Seen(
                "deliveries per CPU s: 1 broadcast in flight to 1,000", "told_cpu_s", at_least(1.5)
            ),
        ),
    ),
    Load(
        ("broadcast", "--clients", "1000", "--window", "4"),
        (
            Seen(
                "deliveries per CPU s: 4 broadcasts in flight to 1,000", "told_cpu_s", at_least(3.0)
            ),
        ),
    ),
    Load(
        ("echo", "--clients", "100"),
        (Seen("replies per CPU s: 100 clients, 1 in flight", "answered_cpu_s", at_least(1.3)),),
    ),
    Load(
        ("echo", "--clients", "100", "--window", "4"),
        (Seen("replies per CPU s: 100 clients, 4 in flight", "answered_cpu_s", at_least(1.8)),),
    ),
    Load(
        ("rooms", "--clients", "400"),
        (Seen("strikes per CPU s: 400 clients, rooms of 4", "answered_cpu_s", at_least(2.2)),),
    ),
    Load(
        ("broadcast", "--clients", "200", "--rate", "50"),
        (Seen("delivery p99, ms: 50 broadcasts/s to 200", "told_p99_ms", NO_WORSE),),
    ),
    Load(
        ("echo", "--clients", "100", "--rate", "3000"),
        (Seen("reply p99, ms: 3,000 replies/s", "answer_p99_ms", NO_WORSE),),
    ),
    Load(
        ("rooms", "--clients", "400", "--rate", "1000"),
        (
            Seen("reply p99, ms: 1,000 strikes/s", "answer_p99_ms", NO_WORSE),
            Seen("delivery p99, ms: 1,000 strikes/s", "told_p99_ms", NO_WORSE),
        ),
    ),
)


async def run(asked: Asked) -> Result:
    """Measure. A sample is `seconds` long, and some before to warm up."""
    sides = SIDES[:2] if asked.pair else SIDES
    figures: list[Figure] = []
    working = [0.0 for _ in sides]
    with programs() as compiled:
        for load in LOADS:
            print(f"  {' '.join(load.options)}", file=sys.stderr, flush=True)
            options = (*load.options, *lasting(asked.seconds))
            samples: list[list[Sample]] = [[] for _ in sides]
            for _ in range(asked.rounds):
                for side, into in zip(sides, samples, strict=True):
                    async with running(side, compiled) as server:
                        into.append(await loaded(compiled, server, *options))
            figures += [_figure(seen, samples) for seen in load.seen]
            working = [
                max(most, *(sample.working for sample in taken))
                for most, taken in zip(working, samples, strict=True)
            ]
    base, other, *beside = ([most] for most in working)
    figures.append(Figure("load's core, working, at most", base, other, beside=beside))
    names = [side.name for side in sides]
    return Result("gateway: nothing is stored", asked.seconds, names, figures)


def _figure(seen: Seen, samples: list[list[Sample]]) -> Figure:
    base, other, *beside = (
        [float(getattr(sample, seen.attribute)) for sample in side] for side in samples
    )
    return Figure(seen.name, base, other, seen.bar, beside=beside)
