"""Memory of connections that do nothing: 5,000, all in one room, a minute after they came.

On Warroom itself each is logged in as somebody else; on the others anybody may come in. The
servers hold theirs at the same time.
"""

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from scripts.benches.compiled import Programs, programs
from scripts.benches.people import PEOPLE, anew, prepare
from scripts.benches.result import Figure, Result, at_most
from scripts.benches.sides import LIMIT, NODE, STOCK, WARROOM, Held, Side, held, running

ROUNDS: Final = 3
SECONDS: Final = 60.0
CONNECTIONS: Final = 5000
OTHERS: Final = (NODE, STOCK, LIMIT)
LARGER: Final = 1.7
KB: Final = 1024


async def run(rounds: int, seconds: float) -> Result:
    """Measure. Connections are held for `seconds`."""
    options = ("--clients", str(CONNECTIONS), "--seconds", str(seconds))
    each: list[list[Held]] = []
    with programs() as compiled, tempfile.TemporaryDirectory() as folder:
        await prepare(Path(folder), CONNECTIONS)
        for _ in range(rounds):
            async with asyncio.TaskGroup() as group:
                ours = group.create_task(_ours(compiled, Path(folder), options))
                others = [group.create_task(_other(compiled, side, options)) for side in OTHERS]
            node, *more = [other.result() for other in others]
            each.append([node, ours.result(), *more])
    names = [NODE.name, f"{WARROOM.name}, logged in", STOCK.name, LIMIT.name]
    title = f"memory: {CONNECTIONS:,} connections, in one room"
    base, other, *rest = (
        [held.bytes_each / KB for held in side] for side in zip(*each, strict=True)
    )
    figure = Figure("kB a connection", base, other, at_most(LARGER), beside=rest)
    return Result(title, seconds, names, [figure])


async def _other(compiled: Programs, side: Side, options: tuple[str, ...]) -> Held:
    async with running(side, compiled) as server:
        return await held(compiled, server, *options)


async def _ours(compiled: Programs, folder: Path, options: tuple[str, ...]) -> Held:
    async with anew(folder, folder / "copy") as (_, server):
        return await held(compiled, server, "--people", str(folder / PEOPLE), *options)
