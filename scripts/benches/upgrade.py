"""10 minutes of killed upgrades, migrations, backups and restores: none gets stuck or is wrong.

Each walk begins with data of an older version, on each database in turn, and takes a few steps,
most of which are killed at a random moment. After each step the next start must succeed by itself,
and the data must be the old or the new ones, whole.
"""

import asyncio
import secrets
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

from scripts.benches.result import Asked, Broken, Figure, Result, at_most
from tests.support.engines import database
from tests.support.opened_data import VERSIONS, Kept
from tests.support.postgres import Postgres
from tests.support.programs import find
from tests.support.walk import Walk, Wrong

ROUNDS: Final = 1
SECONDS: Final = 600.0
STEPS: Final = 4
MOST_ROWS: Final = 50_000
LOOP: Final = asyncio.new_event_loop
"""uvloop can't start a program as another user, and PostgreSQL refuses to run as root."""


async def run(asked: Asked) -> Result:
    """Walk for `seconds`. Raises Broken where data are stuck or wrong."""
    killed: list[float] = []
    for _ in range(asked.rounds):
        seed = secrets.randbelow(1 << 32)
        print(f"  seed {seed}", file=sys.stderr, flush=True)
        counted = await _walked(Random(seed), asked.seconds)  # noqa: S311 - no secret
        print(f"  killed: {dict(counted)}", file=sys.stderr, flush=True)
        killed.append(float(counted.total()))
    none = [0.0] * len(killed)
    figures = [
        Figure("kills", none, killed, growth=True),
        Figure("stuck or wrong", none, none, at_most(0), growth=True),
    ]
    return Result("upgrade: steps that are killed", asked.seconds, ("none", "measured"), figures)


async def _walked(rng: Random, seconds: float) -> Counter[str]:
    engines = ["sqlite", *(["postgres"] if find("postgres") else [])]
    cluster = await Postgres().create() if len(engines) > 1 else None
    until, killed, number = time.monotonic() + seconds, Counter[str](), 0
    try:
        while time.monotonic() < until:
            engine = engines[number % len(engines)]
            number += 1
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                url = await database(engine, cluster, path / "data" / "warroom.db")
                kept = Kept(path, rng.choice(VERSIONS), engine, url)
                walk = Walk(kept, path, rng, rng.randrange(1, MOST_ROWS))
                try:
                    await walk.go(STEPS)
                except (Wrong, AssertionError) as e:
                    raise Broken(f"walk {number} on {engine}: {e}") from e
                killed.update({f"{engine}: {step}": n for step, n in walk.killed.items()})
    finally:
        if cluster is not None:
            await cluster.remove()
    return killed
