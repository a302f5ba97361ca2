"""5,000 hostile connections: the server frees what they took.

They fill every buffer that an unauthenticated client can fill (half messages, half requests, half
bodies, fragments, and requests that wait for no response), and break off. The bench compares the
server's memory before they connect with its memory after their sockets are closed.
"""

import asyncio
import tempfile
from pathlib import Path

from scripts.benches.load import server_core
from scripts.benches.result import Asked, Broken, Figure, Result, at_most
from tests.support.abuse.hostile import KINDS, attack
from tests.support.outside import memory, peak_memory, sockets, until
from tests.support.server import Server

ROUNDS = 3
SECONDS = 5.0
CONNECTIONS = 5000
WARM_UP = 2 * len(KINDS)
GONE_WITHIN_S = 20.0
GROWTH_MB = 20.0
PEAK_MB = 100.0


async def run(asked: Asked) -> Result:
    """Measure, with a new server for each round. Memory is read `seconds` after the last one."""
    before, after, peak = [], [], []
    for _ in range(asked.rounds):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder), MAX_CONNECTIONS_PER_ADDRESS="1000")
            with server_core():
                await server.start()
            try:
                assert server.process is not None
                pid = server.process.pid
                await attack(server.port, WARM_UP)
                await _all_gone(pid, quiet := sockets(pid))
                before.append(memory(pid) / 1e6)
                peak_memory(pid)
                await attack(server.port, asked.clients or CONNECTIONS)
                peak.append(peak_memory(pid) / 1e6)
                await _all_gone(pid, quiet)
                await asyncio.sleep(asked.seconds)
                after.append(memory(pid) / 1e6)
            finally:
                await server.stop()
    figures = [
        Figure("memory after, MB", before, after, at_most(GROWTH_MB), growth=True),
        Figure("memory at most, MB", before, peak, at_most(PEAK_MB), growth=True),
    ]
    title = f"hostile: {asked.clients or CONNECTIONS:,} connections of {len(KINDS)} kinds"
    return Result(title, asked.seconds, ("before", "measured"), figures)


async def _all_gone(pid: int, quiet: int) -> None:
    async def looked() -> bool:
        return sockets(pid) <= quiet

    try:
        await until(looked, GONE_WITHIN_S)
    except TimeoutError:
        raise Broken(f"{sockets(pid) - quiet} sockets are still open") from None
