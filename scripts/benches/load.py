"""What makes load: people on light connections, and messages at a fixed rate."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import OnEvent, Wire

AT_ONCE = 8
TICKS = os.sysconf("SC_CLK_TCK")


def keep_apart(server: Server) -> None:
    """Give the server one core and the load, which is this process, the others."""
    assert server.process is not None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(server.process.pid, cores[:1])
        os.sched_setaffinity(0, cores[1:])


def busy_s(pid: int | str = "self") -> float:
    """The processor's time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def people(server: Server, count: int, on_event: OnEvent | None = None) -> list[Wire]:
    """So many who have just registered, and are connected."""
    places = asyncio.Semaphore(AT_ONCE)

    async def person() -> Wire:
        async with places:
            token = (await registered(server.url)).tokens.access_token
            return await Wire.connect(server.url, token=token, on_event=on_event)

    return list(await asyncio.gather(*(person() for _ in range(count))))


async def at_a_rate(rate: float, seconds: float, send: Callable[[int, float], Any]) -> None:
    """Call `send` with a number and the moment at which it was to be called, however late it is.

    Latencies count from that moment, so that waiting for a slow server is not left out.
    """
    begin = time.monotonic()
    for number in range(int(rate * seconds)):
        due = begin + number / rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        send(number, due)
