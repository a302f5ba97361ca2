"""Memory of 5,000 idle connections in one room, a minute after they connected.

On Warroom each connection is authenticated as another user; the other servers authenticate nobody.
The servers hold their connections at the same time.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from scripts.benches.compiled import Programs, programs
from scripts.benches.people import PEOPLE, anew, prepare
from scripts.benches.result import Asked, Figure, Result, at_most
from scripts.benches.sides import LIMIT, NODE, STOCK, WARROOM, Held, Side, held, running

ROUNDS: Final = 3
SECONDS: Final = 60.0
CONNECTIONS: Final = 5000
BESIDE: Final = (STOCK, LIMIT)
LARGER: Final = 1.7
KB: Final = 1024


async def run(asked: Asked) -> Result:
    """Measure. Connections are held for `seconds`."""
    beside = () if asked.pair else BESIDE
    connections = asked.clients or CONNECTIONS
    options = ("--clients", str(connections), "--seconds", str(asked.seconds))
    rounds: list[list[float]] = []
    with programs() as compiled, tempfile.TemporaryDirectory() as folder:
        await prepare(Path(folder), connections)
        for _ in range(asked.rounds):
            each = await asyncio.gather(
                _other(compiled, NODE, options),
                _ours(compiled, Path(folder), options),
                *(_other(compiled, side, options) for side in beside),
            )
            rounds.append([held.bytes_each / KB for held in each])
    names = [NODE.name, f"{WARROOM.name}, logged in", *(side.name for side in beside)]
    title = f"memory: {connections:,} connections, in one room"
    base, other, *more = map(list, zip(*rounds, strict=True))
    figure = Figure("kB a connection", base, other, at_most(LARGER), beside=more)
    return Result(title, asked.seconds, names, [figure])


async def _other(compiled: Programs, side: Side, options: tuple[str, ...]) -> Held:
    async with running(side, compiled) as server:
        return await held(compiled, server, *options)


async def _ours(compiled: Programs, folder: Path, options: tuple[str, ...]) -> Held:
    async with anew(folder, folder / "copy") as (_, server):
        return await held(compiled, server, "--people", str(folder / PEOPLE), *options)
