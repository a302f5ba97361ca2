"""One of 200 members of a room reads nothing: what the other members notice.

In each pair of rounds the server sends the last member more than 10 MB. In the first round the
member reads them; in the second it reads nothing, is evicted, and reconnects to read nothing again.
The bench measures the latency of small events at a fixed rate to the others, counted from the
moment at which each was due, and the memory of the server.
"""

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

from scripts.benches.load import at_a_rate, busy_s, people, server_core
from scripts.benches.result import Asked, Figure, Result, at_most, percentile
from tests.support.outside import metric, peak_memory
from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import Wire

ROUNDS = 9
SECONDS = 6.0
MEMBERS = 200
RATE = 50.0
VOLUME_BYTES = 12_000_000
LOUD_BYTES = 20_000
SMALL_BYTES = 200
STAYS = 100
"""The last member comes in anew whenever it was told so many of the large events: by then it was
let go, where it did not read."""
LET_GO = 'warroom_evicted_total{reason="too_many_bytes"}'
SPEAKERS = 8
"""Each may send 20 messages a second."""
WARM_UP_S = 2.0
SLOWER = 1.2
GROWTH_MB = 4.0


class Crowd:
    """The members who read, and when they heard what."""

    def __init__(self) -> None:
        self.members: list[Wire] = []
        self.late_ms: list[float] = []

    def hear(self, _: Wire, event: str) -> None:
        """Called with each event of each member."""
        if not event.startswith('["tests.shouted"'):
            return
        start = event.find('"mark":"') + 8
        due = float(event[start : event.index('"', start)])
        self.late_ms.append((time.monotonic() - due) * 1000)


class LastMember:
    """The one who reads, or does not."""

    def __init__(self, server: Server, token: str, player_id: str) -> None:
        self._server = server
        self._token = token
        self.player_id = player_id
        self._connection: Wire | None = None
        self._moving = asyncio.Lock()

    async def enter(self, *, reads: bool) -> None:
        """Come in anew, with the buffers of any connection, and stop reading unless it reads."""
        async with self._moving:
            await self.leave()
            self._connection = entered = await Wire.connect(
                self._server.url, token=self._token, on_event=lambda *_: None
            )
            for room in ("battles", f"player:{self.player_id}"):
                await entered.ok("rooms.join", room=room)
            if not reads:
                entered.stop_reading()

    async def leave(self) -> None:
        """Be gone."""
        if self._connection is not None:
            await self._connection.drop()


class Round(NamedTuple):
    """What was measured in one round: milliseconds, megabytes, shares of a core."""

    p50_ms: float
    p99_ms: float
    unheard: float
    peak_mb: float
    told_mb: float
    let_go: float
    server_busy: float
    load_busy: float


async def run(asked: Asked) -> Result:
    """Measure. A round is `seconds` long, and some before it to warm up."""
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            with server_core():
                server = Server(Path(folder), "tests.support.loud_server")
                await stack.enter_async_context(server)
            crowd = Crowd()
            crowd.members = await people(server, MEMBERS - 1, crowd.hear)
            for member in crowd.members:
                await member.ok("rooms.join", room="battles")
            speakers = await people(server, SPEAKERS)
            logged_in = await registered(server.url)
            last = LastMember(server, logged_in.tokens.access_token, logged_in.user.id)
            for _ in range(asked.rounds):
                base = await _round(server, crowd, speakers, last, asked.seconds, reads=True)
                other = await _round(server, crowd, speakers, last, asked.seconds, reads=False)
                pairs.append((base, other))
            for connection in (*crowd.members, *speakers):
                await connection.drop()
    return _result(pairs, asked.seconds)


async def _round(
    server: Server,
    crowd: Crowd,
    speakers: list[Wire],
    last: LastMember,
    seconds: float,
    *,
    reads: bool,
) -> Round:
    assert server.process is not None
    pid = server.process.pid
    answers: list[asyncio.Future[dict[str, Any]]] = []
    entries: list[asyncio.Task[None]] = []

    def shout(number: int, **fields: Any) -> None:
        answers.append(speakers[number % SPEAKERS].ask("tests.shout", **fields))

    def small(number: int, due: float) -> None:
        shout(number, size=SMALL_BYTES, mark=str(due))

    def loud(number: int, _: float) -> None:
        if number % STAYS == 0:
            entries.append(asyncio.create_task(last.enter(reads=reads)))
        shout(number, size=LOUD_BYTES, player_id=last.player_id)

    await at_a_rate(RATE, WARM_UP_S, small)
    await asyncio.gather(*answers)
    answers.clear()
    crowd.late_ms.clear()
    let_go = await metric(server.url, LET_GO)
    peak_memory(pid)
    begun, server_busy, load_busy = time.monotonic(), busy_s(pid), busy_s()
    louds = VOLUME_BYTES / LOUD_BYTES / seconds
    await asyncio.gather(at_a_rate(RATE, seconds, small), at_a_rate(louds, seconds, loud))
    for answer in await asyncio.gather(*answers):
        assert answer["ok"], answer
    took = time.monotonic() - begun
    server_busy, load_busy = busy_s(pid) - server_busy, busy_s() - load_busy
    await asyncio.gather(*entries)
    for member in crowd.members:
        await member.ok("players.get")  # what was told before has come by then
    late = sorted(crowd.late_ms)
    await last.leave()
    return Round(
        p50_ms=percentile(late, 0.50),
        p99_ms=percentile(late, 0.99),
        unheard=int(RATE * seconds) * len(crowd.members) - len(late),
        peak_mb=peak_memory(pid) / 1e6,
        told_mb=int(louds * seconds) * LOUD_BYTES / 1e6,
        let_go=await metric(server.url, LET_GO) - let_go,
        server_busy=server_busy / took,
        load_busy=load_busy / took,
    )


def _result(pairs: list[tuple[Round, Round]], seconds: float) -> Result:
    def figure(name: str, about: str, **bar: Any) -> Figure:
        base, other = ([getattr(pair[side], about) for pair in pairs] for side in (0, 1))
        return Figure(name, base, other, **bar)

    title = f"slow-reader: {MEMBERS} members, {RATE:g} events/s"
    figures = [
        figure("latency p50, ms", "p50_ms", bar=at_most(SLOWER)),
        figure("latency p99, ms", "p99_ms", bar=at_most(SLOWER)),
        figure("peak memory, MB", "peak_mb", bar=at_most(GROWTH_MB), growth=True),
        figure("events not received", "unheard", bar=at_most(0), growth=True),
        figure("sent to the last member, MB", "told_mb", growth=True),
        figure("evictions of the last member", "let_go", growth=True),
        figure("server's core, busy", "server_busy", growth=True),
        figure("load's core, busy", "load_busy", growth=True),
    ]
    return Result(title, seconds, ("it reads", "it does not"), figures)
