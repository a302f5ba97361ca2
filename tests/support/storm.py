"""A crowd that comes all at once, from many addresses."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import aiohttp

from tests.support.wire import Transport, Wire

WAYS: Final[Sequence[Transport]] = ("websocket", "plain") * 4 + ("polling",)
SOURCES: Final = tuple(f"127.0.0.{n}" for n in range(2, 42))
IMPATIENT_S: Final = 0.2
"""A tenth of what whoever is told that too many log in is asked to wait."""
LAG: Final = "warroom_loop_lag_seconds_bucket"


class Crowd(NamedTuple):
    """Those who are in, and how long it took each, in milliseconds, of those who were let in."""

    wires: list[Wire]
    took_ms: list[float]

    async def leave(self) -> None:
        """Be gone, half of them without a good-bye."""
        await asyncio.gather(
            *(wire.close() if n % 2 else wire.drop() for n, wire in enumerate(self.wires))
        )


async def storm(url: str, tokens: Sequence[str], seconds: float) -> Crowd:
    """Let everybody connect within so long, each from an address of 40. Raises what goes wrong."""

    async def arrive(number: int) -> tuple[Wire, float]:
        await asyncio.sleep(number * seconds / len(tokens))
        begun = time.monotonic()
        wire = await Wire.connect(
            url,
            WAYS[number % len(WAYS)],
            token=tokens[number],
            source=SOURCES[number % len(SOURCES)],
            on_event=lambda *_: None,
        )
        return wire, (time.monotonic() - begun) * 1000

    arrived = await asyncio.gather(*map(arrive, range(len(tokens))))
    return Crowd([wire for wire, _ in arrived], sorted(took for _, took in arrived))


async def password_storm(url: str, at_once: int, seconds: float) -> dict[int, int]:
    """Log in with passwords, so many side by side and from 40 addresses, as people who are not
    there. Returns how often each status was the answer.

    A server bounds what waits from one address: a crowd from one would not fill its queue.
    """
    until, answered = time.monotonic() + seconds, dict[int, int]()

    async def knock(http: aiohttp.ClientSession, number: int) -> None:
        tried = 0
        while time.monotonic() < until:
            body = {"username": f"nobody-{number}-{tried}", "password": "correct horse"}
            async with http.post("/api/auth/login", json=body) as answer:
                await answer.read()
                answered[answer.status] = answered.get(answer.status, 0) + 1
            tried += 1
            if answer.status != 401:
                await asyncio.sleep(IMPATIENT_S)

    async with contextlib.AsyncExitStack() as opened:
        sources = [
            await opened.enter_async_context(
                aiohttp.ClientSession(
                    url, connector=aiohttp.TCPConnector(limit=0, local_addr=(source, 0))
                )
            )
            for source in SOURCES
        ]
        await asyncio.gather(
            *(knock(sources[number % len(sources)], number) for number in range(at_once))
        )
    return answered


class Lag(NamedTuple):
    """How late a server's loop has been up to now: how often at most so late, in seconds."""

    buckets: dict[float, float]

    @classmethod
    async def of(cls, url: str) -> "Lag":
        """Now."""
        async with aiohttp.ClientSession(url) as http, http.get("/metrics") as answer:
            lines = [ln for ln in (await answer.text()).splitlines() if ln.startswith(LAG)]
        return cls({float(ln.split('"')[1]): float(ln.split()[-1]) for ln in lines})

    def p99_ms_since(self, before: "Lag") -> float:
        """The bound of the bucket that the p99 of what came after another lies in."""
        counts = {end: count - before.buckets[end] for end, count in self.buckets.items()}
        total = counts[float("inf")]
        return 1000 * min(end for end, count in counts.items() if count >= 0.99 * total)
