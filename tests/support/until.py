"""Waiting for something that nobody tells."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import repeat

WITHIN_S = 30
PAUSE_S = 0.05


async def until(holds: Callable[[], Awaitable[object]], within_s: float = WITHIN_S) -> None:
    """Ask until it holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        for pause in repeat(PAUSE_S):
            if await holds():
                return
            await asyncio.sleep(pause)
