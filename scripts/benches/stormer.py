"""Many users that connect at once, in a process of their own. Called by `storm.py`.

It prints `ready`, waits for a line, connects all users, prints its figures, waits for another line
and disconnects them.
"""

import asyncio
import gc
import os
import sys
from pathlib import Path
from typing import Final

import msgspec

from scripts.benches.result import percentile
from tests.support.storm import password_storm, storm

LEAST_PRIORITY: Final = 19


class Stormed(msgspec.Struct, frozen=True):
    """How many are in, and how long that took them, in milliseconds."""

    let_in: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


def _say(said: object) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)


async def _heard() -> None:
    await asyncio.to_thread(sys.stdin.readline)


async def _connect(url: str, seconds: float, tokens: list[str]) -> None:
    crowd = await storm(url, tokens, seconds)
    took = crowd.took_ms
    _say(Stormed(len(took), percentile(took, 0.5), percentile(took, 0.99), took[-1]))
    await _heard()
    await crowd.leave()


async def _main(kind: str, url: str, seconds: float, given: str) -> None:
    print("ready", flush=True)
    await _heard()
    if kind == "connect":
        await _connect(url, seconds, given.split())
    else:
        _say({str(k): v for k, v in (await password_storm(url, int(given), seconds)).items()})


if __name__ == "__main__":
    gc.disable()
    os.nice(LEAST_PRIORITY)
    given = sys.argv[4]
    if sys.argv[1] == "connect":
        given = Path(given).read_text()
    asyncio.run(_main(sys.argv[1], sys.argv[2], float(sys.argv[3]), given))
