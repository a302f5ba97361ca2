"""Strikes that are committed before they are published, beside Node's relay, which stores nothing.

400 players in battles of 4 send `battles.attack` to Warroom itself, on SQLite at synchronous=FULL;
Node and the others broadcast each message to its room of 4. First each player strikes again as soon
as the reply arrives. Then strikes are sent at a fixed rate, and the latency of a reply counts from
the moment at which its strike was due. Afterwards the bench counts the strikes in the database. A
second baseline is Node with better-sqlite3, a transaction per strike and synchronous=FULL.
"""

import os
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

from scripts.benches.compiled import Programs, programs, storing
from scripts.benches.people import PEOPLE, anew, prepare
from scripts.benches.result import Asked, Bar, Broken, Figure, Of, Result, at_least, at_most
from scripts.benches.sides import (
    LIMIT,
    NODE,
    STOCK,
    WARROOM,
    Sample,
    Side,
    lasting,
    loaded,
    running,
    storing_node,
)

ROUNDS: Final = 5
SECONDS: Final = 3.0
PLAYERS: Final = 400
SEATS: Final = 4
RATE: Final = 1000
BESIDE: Final = (STOCK, LIMIT)
STORED: Final = "select count(*) from room_events where name = 'battles.struck'"
STORES: Final = "Node, stores"
P99_MS: Final = 5.0

Pair = tuple[Sample, Sample]
"""At full speed, and at the rate."""


async def run(asked: Asked) -> Result:
    """Measure. A sample is `seconds` long, and some before to warm up.

    Raises Broken under a real-time priority: a load that never sleeps would keep out the kernel's
    own threads, which write what is to be durable. Measured: half of the strikes.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        raise Broken("this bench does not run under chrt; try nice -n -10")
    beside = () if asked.pair else BESIDE
    if not asked.pair:
        storing()
    clients = ("--clients", str(PLAYERS), "--room-size", str(SEATS), *lasting(asked.seconds))
    rounds: list[list[Pair]] = []
    with programs() as compiled, tempfile.TemporaryDirectory() as folder:
        await prepare(Path(folder), PLAYERS, PLAYERS // SEATS)
        for number in range(asked.rounds):
            print(f"  round {number + 1}", file=sys.stderr, flush=True)
            node = await _relayed(compiled, NODE, clients)
            ours = await _durable(compiled, Path(folder), clients)
            others = [await _relayed(compiled, side, clients) for side in beside]
            if not asked.pair:
                others.insert(0, await _stored_by_node(compiled, Path(folder), clients))
            rounds.append([node, ours, *others])
    names = [f"{NODE.name}, stores nothing", f"{WARROOM.name}, durable"]
    title = f"durable: strikes, battles of {SEATS}, {PLAYERS} players"
    others_names = [] if asked.pair else [STORES, *(side.name for side in beside)]
    return Result(title, asked.seconds, names + others_names, _figures(rounds))


async def _relayed(compiled: Programs, side: Side, clients: tuple[str, ...]) -> Pair:
    samples = []
    for rate in ((), ("--rate", str(RATE))):
        async with running(side, compiled) as server:
            samples.append(await loaded(compiled, server, "rooms", *clients, *rate))
    return samples[0], samples[1]


async def _stored_by_node(compiled: Programs, folder: Path, clients: tuple[str, ...]) -> Pair:
    samples = []
    for rate in ((), ("--rate", str(RATE))):
        with tempfile.TemporaryDirectory(dir=folder) as own:
            database = Path(own) / "strikes.db"
            side = Side(STORES, partial(storing_node, database))
            async with running(side, compiled) as server:
                sample = await loaded(compiled, server, "rooms", *clients, *rate)
            with closing(sqlite3.connect(database)) as connection:
                [(stored,)] = connection.execute("select count(*) from strikes").fetchall()
        if stored < sample.answered_in_all:
            raise Broken(f"{sample.answered_in_all} were acknowledged, {stored} are stored")
        samples.append(sample)
    return samples[0], samples[1]


async def _durable(compiled: Programs, folder: Path, clients: tuple[str, ...]) -> Pair:
    samples = []
    people = ("--people", str(folder / PEOPLE))
    for rate in ((), ("--rate", str(RATE))):
        async with anew(folder, folder / "copy") as (server, listening):
            sample = await loaded(compiled, listening, "strikes", *people, *clients, *rate)
            [(stored,)] = await server.rows(STORED)
        if stored != sample.answered_in_all:
            raise Broken(f"{sample.answered_in_all} strikes were acknowledged, {stored} are stored")
        samples.append(sample)
    return samples[0], samples[1]


def _figures(rounds: list[list[Pair]]) -> list[Figure]:
    def figure(name: str, of: Callable[[Pair], float], bar: Bar | None = None) -> Figure:
        base, other, *beside = ([of(pair) for pair in side] for side in zip(*rounds, strict=True))
        return Figure(name, base, other, bar, beside=beside)

    at_rate = f"reply at {RATE:,} strikes/s"
    return [
        figure("strikes per CPU s", lambda pair: pair[0].answered_cpu_s, at_least(1.0)),
        figure("strikes/s", lambda pair: pair[0].answered_s, at_least(1.0)),
        figure(f"{at_rate}, p50, ms", lambda pair: pair[1].answer_p50_ms),
        figure(
            f"{at_rate}, p99, ms",
            lambda pair: pair[1].answer_p99_ms,
            at_most(P99_MS, Of.MEASURED),
        ),
        figure("load's core, working", lambda pair: pair[0].working),
    ]
