"""What runs to its end in the background, whatever becomes of the client that it was begun for."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Background:
    """The tasks of one server's clients."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something to its end."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self, timeout_s: float) -> None:
        """Wait for what is under way, but not for ever."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=timeout_s)
