"""The first paint of the page with 20,000 open battles, beside 20.

Two servers run side by side, one with few open battles and one with many. In each pair of rounds,
clients connect to one and then to the other and request what a page shows first: the number of
battles, the newest of them, and the line of each. The bench measures the time from the log-in to
the last reply, the bytes on the wire, and the CPU time of the server.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

from scripts.benches.load import at_a_rate, busy_s, server_core, tokens
from scripts.benches.result import Asked, Figure, Result, at_most, percentile
from server.database import migrate
from tests.support.many import Many, fill
from tests.support.server import Server
from tests.support.wire import Wire

ROUNDS: Final = 5
SECONDS: Final = 5.0
FEW: Final = 20
MANY: Final = 20_000
SHOWN: Final = 20
PEOPLE: Final = 100
RATE: Final = 30.0
"""Paints a second: each of the people may ask to join 10 rooms a second."""
WARM_UP_S: Final = 2.0
SLOWER: Final = 1.3
LARGER: Final = 1.02


class Paint(NamedTuple):
    """What one cost: milliseconds, bytes."""

    ms: float
    size: int


class Round(NamedTuple):
    """What was measured in one round."""

    p50_ms: float
    p99_ms: float
    size: float
    busy_ms: float


class Side(NamedTuple):
    """A server, and the tokens of people who come to it."""

    server: Server
    tokens: list[str]


async def run(asked: Asked) -> Result:
    """Measure. A round is `seconds` long, and some before it to warm up."""
    async with AsyncExitStack() as stack:
        few, many = [await _side(stack, number) for number in (FEW, MANY)]
        pairs = [
            (await _round(few, asked.seconds), await _round(many, asked.seconds))
            for _ in range(asked.rounds)
        ]
    return _result(pairs, asked.seconds)


async def _side(stack: AsyncExitStack, waiting: int) -> Side:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warroom-pool-")))
    server = Server(folder)
    await asyncio.to_thread(migrate, server.database)
    await fill(server.database, Many(waiting=waiting), time.time_ns() // 1_000_000)
    with server_core():
        await stack.enter_async_context(server)
    return Side(server, await tokens(server.url, PEOPLE))


async def _paint(url: str, token: str) -> Paint:
    connection = await Wire.connect(url, token=token)
    before, began = connection.socket.received, time.monotonic()
    _, page = await asyncio.gather(
        connection.ok("rooms.join", room="battles"), connection.ok("battles.list", limit=SHOWN)
    )
    assert len(page["items"]) == SHOWN
    lines = (f"listing:{line['battle_id']}" for line in page["items"])
    await asyncio.gather(*(connection.ok("rooms.join", room=line) for line in lines))
    painted = Paint((time.monotonic() - began) * 1000, connection.socket.received - before)
    await connection.drop()
    return painted


async def _round(side: Side, seconds: float) -> Round:
    assert side.server.process is not None
    pid = side.server.process.pid
    paints: list[asyncio.Task[Paint]] = []

    def paint(number: int, _: float) -> None:
        token = side.tokens[number % PEOPLE]
        paints.append(asyncio.create_task(_paint(side.server.url, token)))

    await at_a_rate(RATE, WARM_UP_S, paint)
    await asyncio.gather(*paints)
    paints.clear()
    busy = busy_s(pid)
    await at_a_rate(RATE, seconds, paint)
    done = await asyncio.gather(*paints)
    busy = busy_s(pid) - busy
    took = sorted(each.ms for each in done)
    return Round(
        p50_ms=percentile(took, 0.50),
        p99_ms=percentile(took, 0.99),
        size=sum(each.size for each in done) / len(done),
        busy_ms=busy * 1000 / len(done),
    )


def _result(pairs: list[tuple[Round, Round]], seconds: float) -> Result:
    def figure(name: str, about: str, **bar: Any) -> Figure:
        base, other = ([getattr(pair[side], about) for pair in pairs] for side in (0, 1))
        return Figure(name, base, other, **bar)

    title = f"pool: the first paint, {SHOWN} battles shown, {RATE:g} paints/s"
    figures = [
        figure("first paint p50, ms", "p50_ms", bar=at_most(SLOWER)),
        figure("first paint p99, ms", "p99_ms"),
        figure("first paint, bytes", "size", bar=at_most(LARGER)),
        figure("server CPU, ms a paint", "busy_ms", bar=at_most(SLOWER)),
    ]
    return Result(title, seconds, (f"{FEW} open", f"{MANY:,} open"), figures)
