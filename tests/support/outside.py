"""A server as it looks from outside: its memory, its sockets, its metrics."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

LOOKS_EVERY_S = 0.05
PEAK = "VmHWM"


def _status(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def peak_memory(pid: int) -> int:
    """The most memory that a process had in RAM since the last call, in bytes."""
    peak = _status(pid, PEAK)
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return peak


def memory(pid: int) -> int:
    """How much memory a process has in RAM, in bytes."""
    return _status(pid, "VmRSS")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    raise LookupError("SigCgt")


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    opened = 0
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            opened += str(descriptor.readlink()).startswith("socket:")
        except FileNotFoundError:  # closed since the folder was read
            continue
    return opened


async def metric(url: str, sample: str) -> float:
    """The value of a sample, such as `warroom_evicted_total{reason="flooding"}`; 0 without it."""
    async with aiohttp.ClientSession(url) as http, http.get("/metrics") as answer:
        for line in (await answer.text()).splitlines():
            if line.startswith(f"{sample} "):
                return float(line.split()[-1])
    return 0.0


async def until(look: Callable[[], Awaitable[bool]], within_s: float) -> None:
    """Wait for what gives no sign of itself, by looking again and again. Raises TimeoutError."""
    end = time.monotonic() + within_s
    while not await look():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(LOOKS_EVERY_S)
