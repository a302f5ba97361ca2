"""An attacker in a process of its own, so that its work does not delay the measurement.

`attacked.py` calls it with the attack's kind and name, its duration and the target. It prints
`ready`, waits for a line, attacks, and prints what it did.
"""

import asyncio
import os
import sys
import time
from typing import Final

import msgspec

from tests.support.abuse.attack import Target
from tests.support.abuse.kinds import KINDS
from tests.support.people import registered

LEAST_PRIORITY: Final = 19


class Made(msgspec.Struct, frozen=True):
    """How often an attack was made, and how long the longest took to be over."""

    times: int
    longest_s: float


async def _attack(kind: str, name: str, seconds: float, target: Target) -> Made:
    attack = next(attack for attack in KINDS[kind].all if attack.name == name)
    until, times, longest_s = time.monotonic() + seconds, 0, 0.0
    while not times or time.monotonic() < until:
        # Somebody new each time: who has just attacked is still being told to wait.
        target = target._replace(token=(await registered(target.url)).tokens.access_token)
        longest_s = max(longest_s, await attack.make(target))
        times += 1
    return Made(times, longest_s)


def main() -> None:
    """Attack."""
    kind, name, seconds, given = sys.argv[1:]
    target = msgspec.json.decode(given, type=Target)
    os.setpriority(os.PRIO_PROCESS, 0, LEAST_PRIORITY)
    print("ready", flush=True)
    sys.stdin.readline()
    made = asyncio.run(_attack(kind, name, float(seconds), target))
    print(msgspec.json.encode(made).decode(), flush=True)


if __name__ == "__main__":
    main()
