"""Passwords: bcrypt in threads of its own, so that a log-in never holds up the loop."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import bcrypt

from protocol.auth import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from protocol.errors import busy, invalid, unavailable

T = TypeVar("T")

THREADS: Final = 2
MAX_WAITING: Final = 64
NICE: Final = 10
"""Passwords get a ninth of what the loop gets of a core that both want. Source: sched(7)."""


def check_length(password: str) -> bytes:
    """The password as bytes. Raises Failure `invalid` where there are not 8 to 72 of them.

    Source: bcrypt reads no more than 72 bytes.
    """
    raw = password.encode()
    if not PASSWORD_MIN_BYTES <= len(raw) <= PASSWORD_MAX_BYTES:
        limits = f"{PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} bytes of UTF-8"
        raise invalid("password", f"must have {limits}, this has {len(raw)}")
    return raw


def _cost(password_hash: bytes) -> int:
    """The cost of a hash, as a power of two: `$2b$12$…`."""
    return int(password_hash.split(b"$")[2])


def _step_back() -> None:
    """Give this thread less of the processor than the loop, where the system can do that."""
    if sys.platform == "linux":  # elsewhere this is no thread's id
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class Passwords:
    """Hashing and checking."""

    def __init__(self, cost: int) -> None:
        self._cost = cost
        self._threads = ThreadPoolExecutor(
            THREADS, thread_name_prefix="bcrypt", initializer=_step_back
        )
        self._waiting: set[asyncio.Future[Any]] = set()
        self._closed = False
        # Checked in the place of a person who is not there, so that both take as long.
        self._nobody = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt(cost))

    async def hash(self, password: str) -> str:
        """The hash of a new password. Raises Failure `invalid`, `busy`, `unavailable`."""
        raw = check_length(password)
        return (await self._run(self._hash, raw)).decode()

    async def matches(self, password: str, password_hash: str | None) -> bool:
        """Whether the password is right; without a hash it never is, and takes as long.

        So it does with a hash of a lower cost: see `_check`. Raises Failure `busy`, `unavailable`.
        """
        raw = password.encode()[:PASSWORD_MAX_BYTES]
        known = self._nobody if password_hash is None else password_hash.encode()
        right = await self._run(self._check, raw, known)
        return right and password_hash is not None and len(password.encode()) == len(raw)

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash has another cost than new ones."""
        return _cost(password_hash.encode()) != self._cost

    def close(self) -> None:
        """Check nothing more: whoever waits is told `unavailable`."""
        self._closed = True
        for waiting in self._waiting:
            waiting.cancel()
        self._threads.shutdown(wait=False)

    def _hash(self, raw: bytes) -> bytes:
        return bcrypt.hashpw(raw, bcrypt.gensalt(self._cost))

    def _check(self, raw: bytes, known: bytes) -> bool:
        """Compare, for as long as a new hash takes.

        A hash from before the cost was raised is checked sooner, which would tell that there is
        such a person. Work of the costs in between makes up for it: 2^c and 2^c, 2^(c+1), …,
        2^(C-1) are together 2^C.
        """
        right = bcrypt.checkpw(raw, known)
        for cost in range(_cost(known), self._cost):
            bcrypt.hashpw(raw, bcrypt.gensalt(cost))
        return right

    async def _run(self, work: Callable[..., T], *given: bytes) -> T:
        closing = unavailable("the server is closing")
        if self._closed:
            raise closing
        if len(self._waiting) >= MAX_WAITING:
            raise busy("too many are logging in", retry_after_ms=2000)
        waiting = asyncio.get_running_loop().run_in_executor(self._threads, work, *given)
        self._waiting.add(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if self._closed:
                raise closing from None
            raise
        finally:
            self._waiting.discard(waiting)
