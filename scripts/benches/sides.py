"""The two servers that strikes are sent to: python-socketio as it comes, and Warroom."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scripts.benches.generator import Broken, Generator, Tally, Wire
from scripts.benches.load import AT_ONCE, busy_s, keep_apart
from tests.support.people import registered
from tests.support.server import Server

NAMES: Final = ("python-socketio, stores nothing", "Warroom, durable")
STORED: Final = "select count(*) from room_events where name = 'battles.struck'"


@dataclass
class Side:
    """A server, and the connections to it."""

    server: Server
    durable: bool
    tokens: list[str]
    strikers: list[Wire] = field(default_factory=list)
    strikes: int = 0

    @property
    def pid(self) -> int:
        """Its process."""
        assert self.server.process is not None
        return self.server.process.pid

    def measured(self, phase: Callable[[], Tally]) -> tuple[Tally, float]:
        """Carry out a phase. Returns its tally, and the processor's time that the server took."""
        before_s = busy_s(self.pid)
        tally = phase()
        self.strikes += tally.strikes
        return tally, busy_s(self.pid) - before_s

    async def check(self) -> None:
        """What was acknowledged is in the database, each once. Raises Broken."""
        if not self.durable:
            return
        [(stored,)] = await self.server.rows(STORED)
        if stored != self.strikes:
            raise Broken(f"{self.strikes} strikes were acknowledged, {stored} are stored")


@asynccontextmanager
async def both(people: int) -> AsyncIterator[tuple[Generator, tuple[Side, Side]]]:
    """Start both, each with so many who may connect. At the end, look whether anything is lost.

    Raises Broken under a real-time priority: a generator that never sleeps would keep out the
    kernel's own threads, which write what is to be durable. Measured: half of the strikes.
    """
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        raise Broken("it does not run under chrt; try nice -n -10")
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Server(Path(folder, "stock"), "scripts.benches.stock") as stock,
            Server(Path(folder, "warroom"), "scripts.benches.long_battles") as warroom,
        ):
            for server in (stock, warroom):
                keep_apart(server)
            sides = (
                Side(stock, False, [""] * people),
                Side(warroom, True, await _tokens(warroom, people)),
            )
            generator = Generator()
            try:
                yield generator, sides
            finally:
                generator.close()
            for side in sides:
                await side.check()


async def _tokens(server: Server, count: int) -> list[str]:
    places = asyncio.Semaphore(AT_ONCE)

    async def token() -> str:
        async with places:
            return (await registered(server.url)).tokens.access_token

    return list(await asyncio.gather(*(token() for _ in range(count))))
