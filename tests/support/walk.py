"""An operator's steps on data of another version, each killed at some moment.

After each, the next start must go on by itself, all that was acknowledged must be there, and the
data must be the old or the new ones, whole.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.support.battles import strike
from tests.support.engines import execute, rows
from tests.support.opened_data import Kept, ask_again, come_back
from tests.support.verified import verified

GOES_ON_WITHIN_S: Final = 60.0
FIRST_GUESS_S: Final = 2.0
STEPS: Final = ("run", "migrate", "migrate --to", "backup", "restore")
REVISIONS: Final = ("0001", "0004", "0006", "0007", "0008")
PAD: Final = (
    "insert into kept_replies (who, request_id, digest, reply, at)"
    " with recursive n(i) as (select 1 union all select i + 1 from n where i < {0})"
    " select 'pad', 'pad-' || i, 'none', '{{}}', '{1}' from n",
    "insert into room_events (room, seq, at, name, data)"
    " with recursive n(i) as (select 1 union all select i + 1 from n where i < {0})"
    " select 'pad:1', i, '{1}', 'tests.padded', '{{}}' from n",
    "insert into room_numbers (room, seq, first_kept) values ('pad:1', {0}, 1)",
)
"""Rows that make copying tables take a while: {0} of them, of the moment {1}."""
COUNTED: Final = (
    "select count(*) from users",
    "select count(*) from kept_replies",
    "select count(*) from room_events where request_id is not null or room = 'pad:1'",
)
EPOCH: Final = "select value from facts where name = 'epoch'"
MARKED: Final = "select count(*) from facts where name = 'walk'"


class Wrong(Exception):
    """The data are stuck, or are not what they must be."""


class Walk:
    """The steps on the data of one version and engine."""

    def __init__(self, kept: Kept, folder: Path, rng: Random, pad: int) -> None:
        """`pad`: how many rows are added to each table that migrations copy."""
        self._kept = kept
        self._server = kept.server
        self._backup = folder / "walk.tar"
        self._rng = rng
        self._pad = pad
        self._took_s: dict[str, float] = {}
        self._counted: list[Any] = []
        self._done: list[str] = []
        self.killed: Counter[str] = Counter()
        """How often each step was killed before it had ended."""

    async def go(self, steps: int) -> None:
        """Take so many steps, and then go on as a server does. Raises Wrong."""
        await self._kept.put()
        at = self._kept.known["at"]
        await execute(self._kept.url, *(pad.format(self._pad, at) for pad in PAD))
        self._counted = await self._counts()
        for number in range(steps):
            # The first ones are of the upgrade.
            step = self._rng.choice(STEPS[:2] if number == 0 else STEPS)
            await self._step(step)
        async with self._server:
            alice = await come_back(self._kept, "alice")
            await ask_again(self._kept, alice)
            if not (await strike(alice, self._kept.known["battle_id"], 1))["ok"]:
                raise self._wrong("the battle does not go on")
            await alice.close()
        await verified(self._kept.url)

    async def _step(self, step: str) -> None:
        """Take a step and kill it, then see that everything goes on."""
        arguments = step.split()
        restoring = step == "restore"
        if step == "run":
            arguments += ["--port", "0"]
        elif step == "migrate --to":
            arguments.append(self._rng.choice(REVISIONS))
        elif step == "backup":
            arguments.append(str(self._backup))
        elif restoring:
            arguments += ["--force", str(self._backup)]
            if not self._backup.exists():
                await self._must("backup", str(self._backup))
            await execute(self._kept.url, "insert into facts (name, value) values ('walk', 'on')")
        before = await self._epoch()
        await self._kill(step, arguments)
        await self._must("migrate")
        await self._must("verify")
        await self._same_data(before, restoring)

    async def _kill(self, step: str, arguments: list[str]) -> None:
        """Carry out a command, and kill it at a random moment: it alone, or its children too."""
        longest = self._took_s.get(step, FIRST_GUESS_S)
        moment, alone = longest * self._rng.uniform(0.2, 1.1), self._rng.random() < 0.5
        self._done.append(f"{' '.join(arguments)}, killed after {moment:.3f} s")
        process = await self._server.begin(*arguments)
        begun = time.monotonic()
        said = asyncio.create_task(process.communicate())
        ended, _ = await asyncio.wait({said}, timeout=moment)
        if ended:
            self._took_s[step] = time.monotonic() - begun
            if process.returncode:
                raise self._wrong((await said)[1].decode())
            return
        self.killed[step] += 1
        if alone:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        async with asyncio.timeout(GOES_ON_WITHIN_S):
            await said  # its children hold the pipes: they end with it

    async def _must(self, *arguments: str) -> None:
        """Carry out a command that has to succeed, whatever was killed before."""
        try:
            async with asyncio.timeout(GOES_ON_WITHIN_S):
                code, output, errors = await self._server.run(*arguments)
        except TimeoutError:
            raise self._wrong(f"{arguments[0]} has not ended") from None
        if code:
            raise self._wrong(f"{arguments[0]} ended with {code}: {output} {errors}")

    async def _same_data(self, before: str, restoring: bool) -> None:
        if (found := await self._counts()) != self._counted:
            raise self._wrong(f"there are {found} rows, and were {self._counted}")
        if not restoring:
            if await self._epoch() != before:
                raise self._wrong("the epoch is another, and nothing was lost")
            return
        [(marked,)] = await rows(self._kept.url, MARKED)
        if bool(marked) != (await self._epoch() == before):
            raise self._wrong("the data are of one time and the epoch of another")
        await execute(self._kept.url, "delete from facts where name = 'walk'")

    async def _counts(self) -> list[Any]:
        return [await rows(self._kept.url, query) for query in COUNTED]

    async def _epoch(self) -> str:
        [(epoch,)] = await rows(self._kept.url, EPOCH)
        return str(epoch)

    def _wrong(self, what: str) -> Wrong:
        return Wrong(f"{what}; after: {'; '.join(self._done)}")
