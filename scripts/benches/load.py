"""Light connections of users, and messages at a fixed rate."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.people import registered
from tests.support.server import Server
from tests.support.wire import OnEvent, Wire

AT_ONCE: Final = 8
TICKS: Final = os.sysconf("SC_CLK_TCK")
CORES: Final = sorted(os.sched_getaffinity(0))


@contextmanager
def server_core() -> Iterator[None]:
    """What is started inside gets one core for all its threads, and the load the others."""
    if len(CORES) == 1:
        yield
        return
    os.sched_setaffinity(0, CORES[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES[1:])


def busy_s(pid: int | str = "self") -> float:
    """The processor's time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family(pid: int) -> list[int]:
    """A process, and all that descend from it."""
    children = [
        int(child)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return [pid, *(each for child in children for each in family(child))]


async def tokens(url: str, count: int) -> list[str]:
    """So many who have just registered."""
    places = asyncio.Semaphore(AT_ONCE)

    async def token() -> str:
        async with places:
            return (await registered(url)).tokens.access_token

    return list(await asyncio.gather(*(token() for _ in range(count))))


async def people(server: Server, count: int, on_event: OnEvent | None = None) -> list[Wire]:
    """So many who have just registered, and are connected."""
    return [
        await Wire.connect(server.url, token=token, on_event=on_event)
        for token in await tokens(server.url, count)
    ]


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
