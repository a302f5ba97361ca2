"""10 minutes of races for log-ins, rights and passwords: the attacker must win none.

The tests of these races run repeatedly, two processes at a time on a machine that they keep busy:
each time their tasks, their processes and their random data come in another order.
"""

import asyncio
import os
import re
import sys
import time
from typing import Final

from scripts.benches.result import Asked, Broken, Figure, Result, at_most
from tests.support.server import ROOT

ROUNDS: Final = 1
SECONDS: Final = 600.0
AT_ONCE: Final = 2
TESTS: Final = (
    "tests/store/test_refresh_interleavings.py",
    "tests/store/test_refresh.py",
    "tests/store/test_rights_races.py",
    "tests/store/test_taken_rights.py",
    "tests/store/test_attempts.py",
    "tests/store/test_password_queue.py",
    "tests/store/test_ledger.py",
    "tests/events/test_refresh_at_once.py",
    "tests/events/test_taken_rights.py",
    "tests/events/test_lockout.py",
)
_PASSED: Final = re.compile(r"(\d+) passed")


async def run(asked: Asked) -> Result:
    """Run them for `seconds`. Raises Broken for the first that fails."""
    passed: list[float] = []
    for _ in range(asked.rounds):
        until = time.monotonic() + asked.seconds
        counts = await asyncio.gather(*(_repeated(until, asked.only) for _ in range(AT_ONCE)))
        passed.append(float(sum(counts)))
        print(f"  {passed[-1]:,.0f} tests passed", file=sys.stderr, flush=True)
    none = [0.0] * len(passed)
    figures = [
        Figure("tests that passed", none, passed, growth=True),
        Figure("tests that failed", none, none, at_most(0), growth=True),
    ]
    return Result("races: again and again", asked.seconds, ("none", "measured"), figures)


async def _repeated(until: float, only: str) -> int:
    passed = 0
    while time.monotonic() < until:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"),
            *(["-k", only] if only else []),
            *TESTS,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": "random"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode()
        if process.returncode:
            raise Broken(f"a race was lost:\n{output[-4000:]}")
        found = _PASSED.search(output)
        passed += int(found[1]) if found else 0
    return passed
