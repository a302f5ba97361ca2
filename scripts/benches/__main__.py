"""`scripts/bench`: compares servers or situations in turn and prints one table of medians."""

import argparse
import asyncio
import gc
import os
import sys
from typing import Any

import uvloop

from scripts.benches import (
    durable,
    gateway,
    hostile,
    memory,
    pool,
    races,
    slow_reader,
    soak,
    storm,
    upgrade,
)
from scripts.benches.attacked import Attacked
from scripts.benches.result import Asked, Broken, Result, table
from tests.support.abuse.kinds import KINDS

BENCHES = {
    "gateway": gateway,
    "memory": memory,
    "durable": durable,
    "slow-reader": slow_reader,
    "pool": pool,
}
ABUSE: dict[str, Any] = {
    **{kind: Attacked(kind) for kind in KINDS},
    "hostile": hostile,
    "storm": storm,
    "soak": soak,
    "races": races,
    "upgrade": upgrade,
}
"""Run where asked for, or with `--abuse`: they take long."""
ALL: dict[str, Any] = {**BENCHES, **ABUSE}


def main() -> None:
    """Run benches and print their table. Exit code 1 if a target is missed or a bench fails."""
    arguments = _parser().parse_args()
    gc.disable()  # a pause of the generator would be taken for one of the server
    results: list[Result] = []
    broken: list[str] = []
    load = os.getloadavg()[0]
    for name in arguments.names or (ABUSE if arguments.abuse else BENCHES):
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            results.append(_result(name, arguments))
        except Broken as e:
            broken.append(f"scripts/bench: {name}: {e}")
    if results:
        print(table(results))
        print(
            f"\nNothing was lost, refused or out of order. {os.cpu_count()} cores;"
            f" load average {load:.1f} before, {os.getloadavg()[0]:.1f} after."
        )
    if broken:
        sys.exit("\n".join(broken))
    within = all(result.within_bars for result in results)
    sys.exit(0 if within or arguments.no_bars else 1)


def _parser() -> argparse.ArgumentParser:
    about = {
        name: f"{bench.ROUNDS} x {bench.SECONDS:g} s: {(bench.__doc__ or '').splitlines()[0]}"
        for name, bench in ALL.items()
    }
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=__doc__,
        epilog="\n".join(f"  {name:12} {line}" for name, line in about.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        type=_bench,
        metavar="BENCH",
        help="a bench of the list below; without any, all",
    )
    parser.add_argument("--rounds", type=int, help="number of pairs of rounds")
    parser.add_argument("--seconds", type=float, help="duration of a round")
    parser.add_argument(
        "--abuse", action="store_true", help="run the attacks instead of the measurements"
    )
    parser.add_argument(
        "--pair", action="store_true", help="measure only the two sides that are compared"
    )
    parser.add_argument(
        "--only", default="", help="run only the attacks with these words in their names"
    )
    parser.add_argument(
        "--clients", type=int, help="connections of memory, hostile, storm and soak"
    )
    parser.add_argument(
        "--no-bars", action="store_true", help="exit with 0 even if a target is missed"
    )
    return parser


def _bench(name: str) -> str:
    """A known name: argparse can't take `choices` where none may be given."""
    if name not in ALL:
        raise argparse.ArgumentTypeError(f"there is no bench {name!r}")
    return name


def _result(name: str, arguments: argparse.Namespace) -> Result:
    bench = ALL[name]
    rounds, seconds = arguments.rounds or bench.ROUNDS, arguments.seconds or bench.SECONDS
    asked = Asked(rounds, seconds, arguments.pair, arguments.clients, arguments.only)
    loop_factory = getattr(bench, "LOOP", uvloop.new_event_loop)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        result: Result = runner.run(bench.run(asked))
    return result


main()
