"""`scripts/bench NAME`."""

import argparse
import asyncio
import gc
import sys

import uvloop

from scripts.benches import pool, slow_reader

BENCHES = {"pool": pool, "slow-reader": slow_reader}


def main() -> None:
    """Run one bench and print its table. Exit code 1 where a bar is missed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    names = parser.add_subparsers(required=True, dest="name", metavar="NAME")
    for name, bench in BENCHES.items():
        about = (bench.__doc__ or "").splitlines()[0]
        options = names.add_parser(name, help=about, description=bench.__doc__)
        options.add_argument("--rounds", type=int, default=9, help="pairs of rounds (%(default)s)")
        options.add_argument("--seconds", type=float, default=6, help="a round (%(default)s)")
        options.add_argument("--no-bars", action="store_true", help="exit with 0 all the same")
    arguments = parser.parse_args()
    gc.disable()  # a pause of the generator would be taken for one of the server
    bench = BENCHES[arguments.name]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(bench.run(arguments.rounds, arguments.seconds))
    print(result.table())
    sys.exit(0 if result.within_bars or arguments.no_bars else 1)


main()
