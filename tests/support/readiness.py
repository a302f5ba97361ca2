"""What /health/ready says, asked all the time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

WITHIN_S = 30


class Said(NamedTuple):
    """An answer, and when it came: loop time."""

    at: float
    status: int
    body: dict[str, Any]


class Readiness:
    """All that was answered meanwhile."""

    def __init__(self) -> None:
        self.said: list[Said] = []
        self._clock = asyncio.get_running_loop().time
        self._more = asyncio.Event()

    @asynccontextmanager
    async def watched(self, url: str) -> AsyncIterator["Readiness"]:
        """Ask meanwhile."""
        task = asyncio.create_task(self._ask(f"{url}/health/ready"))
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _ask(self, url: str) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(url) as response:
                    self.said.append(Said(self._clock(), response.status, await response.json()))
                self._more.set()
                await asyncio.sleep(0.05)

    async def until(self, status: int, since: float, **fields: Any) -> float:
        """Wait until it says this. Returns how many seconds after the moment that was."""
        async with asyncio.timeout(WITHIN_S):
            while True:
                for at, said, body in self.said:
                    if at >= since and said == status and fields.items() <= body.items():
                        return at - since
                self._more.clear()
                await self._more.wait()
