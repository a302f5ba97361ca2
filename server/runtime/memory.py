"""Giving memory back to the system that the C library's allocator keeps after a crowd has left.

What is freed lies between what is still used, and glibc gives back only what lies at the end: after
2,000 connections with half a request each, 97 MB stayed for good.
"""

import asyncio
import ctypes
from collections.abc import Callable
from typing import Any, Final

from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("app")

EVERY_S: Final = 5.0
WORTH_BYTES: Final = 8 * 1024 * 1024
"""More is free than after the last time: less is not worth the milliseconds that it takes."""


class _Allocated(ctypes.Structure):
    """What mallinfo2 returns. `fordblks`: bytes that are free and kept, given back or not."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks",
                     "uordblks", "fordblks", "keepcost")
    ]  # fmt: skip


class Allocator:
    """glibc's. Source: malloc_trim(3), mallinfo(3). Raises AttributeError where it is another."""

    def __init__(self) -> None:
        library = ctypes.CDLL(None)
        self.trim: Callable[[int], int] = library.malloc_trim
        self._info: Any = library.mallinfo2
        self._info.restype = _Allocated

    def free_bytes(self) -> int:
        """What is free and was given back or not."""
        return int(self._info().fordblks)


class Memory:
    """Looks now and then whether there is something to give back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._free_bytes = 0  # when it was given back last, or less where it was used since
        try:
            self._allocator: Allocator | None = Allocator()
        except (AttributeError, OSError, TypeError):  # not glibc, or an old one
            self._allocator = None

    async def run(self) -> None:
        """Give back, for ever; returns at once where the system can't. A background task."""
        while self._allocator is not None:
            await self._clock.sleep(EVERY_S)
            await self.look(self._allocator)

    async def look(self, allocator: Allocator) -> None:
        """Give back what is free, where that is more than the last time.

        In a thread: ctypes lets the loop go on meanwhile.
        """
        free = allocator.free_bytes()
        if free < self._free_bytes + WORTH_BYTES:
            self._free_bytes = min(self._free_bytes, free)
            return
        await asyncio.to_thread(allocator.trim, 0)
        self._free_bytes = free
        log.debug("memory_given_back", free_bytes=free)
