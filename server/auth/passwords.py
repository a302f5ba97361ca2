"""Passwords: bcrypt in threads of its own, so that a log-in never holds up the loop."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import bcrypt

from protocol.auth import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from protocol.errors import Failure, invalid, unavailable
from server.auth.turns import HashKind, Turns

T = TypeVar("T")

THREADS: Final = 2
NICE: Final = 10
"""Passwords get a ninth of what the loop gets of a core that both want. Source: sched(7)."""


def password_bytes(password: str) -> bytes:
    """A new password as bytes. Raises Failure `invalid` where there are not 8 to 72 of them, or one
    is NUL.

    Source: bcrypt reads no more than 72 bytes, and repeats a password with a NUL behind it until
    there are 72: `a` and `a\\0a` have the same hash.
    """
    raw = password.encode()
    if not PASSWORD_MIN_BYTES <= len(raw) <= PASSWORD_MAX_BYTES:
        limits = f"{PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} bytes of UTF-8"
        raise invalid("password", f"must have {limits}, but has {len(raw)}")
    if b"\0" in raw:
        raise invalid("password", "must not contain the character U+0000 (NUL)")
    return raw


def _cost(password_hash: bytes) -> int:
    """The cost of a hash, as a power of two: `$2b$12$…`."""
    return int(password_hash.split(b"$")[2])


def _closing() -> Failure:
    return unavailable("the server is closing")


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
        self._turns = Turns(THREADS)
        self._computing: set[asyncio.Future[Any]] = set()
        self._closed = False
        # Checked in the place of a person who is not there, so that both take as long.
        self._nobody = bcrypt.hashpw(b"nobody has this password", bcrypt.gensalt(cost))

    async def hash(self, password: str, network: str = "", kind: HashKind = HashKind.LOG_IN) -> str:
        """The hash of a new password. Raises Failure `invalid`, `busy`, `unavailable`.

        `network`: where the request is from, "" for the command line.
        """
        raw = password_bytes(password)
        return (await self._run(self._hash, raw, network=network, kind=kind)).decode()

    async def matches(
        self,
        password: str,
        password_hash: str | None,
        network: str = "",
        begun: Callable[[], None] | None = None,
    ) -> bool:
        """Whether the password is right; without a hash it never is, and takes as long.

        So it does with a hash of a lower cost: see `_check`. `begun` is called once it is computed,
        and not where it only waited. Raises Failure `busy`, `unavailable`.
        """
        given = password.encode()
        raw = given[:PASSWORD_MAX_BYTES]
        known = self._nobody if password_hash is None else password_hash.encode()
        right = await self._run(
            self._check, raw, known, network=network, kind=HashKind.LOG_IN, begun=begun
        )
        # What `password_bytes` refuses is never right: bcrypt takes some of it for another one.
        return right and password_hash is not None and given == raw and b"\0" not in raw

    def outdated(self, password_hash: str) -> bool:
        """Whether a hash has another cost than new ones."""
        return _cost(password_hash.encode()) != self._cost

    def close(self) -> None:
        """Check nothing more: whoever waits is told `unavailable`."""
        self._closed = True
        self._turns.close(_closing())
        for computing in self._computing:
            computing.cancel()
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

    async def _run(
        self,
        work: Callable[..., T],
        *given: bytes,
        network: str,
        kind: HashKind,
        begun: Callable[[], None] | None = None,
    ) -> T:
        if self._closed:
            raise _closing()
        await self._turns.take(network, kind)
        if self._closed:
            raise _closing()
        if begun is not None:
            begun()
        loop = asyncio.get_running_loop()
        job = self._threads.submit(work, *given)
        # A thread can't be stopped: the turn ends when its work does, also for a caller that left.
        job.add_done_callback(lambda _: self._end_turn(loop))
        computing = asyncio.wrap_future(job)
        self._computing.add(computing)
        try:
            return await computing
        except asyncio.CancelledError:
            if self._closed:
                raise _closing() from None
            raise
        finally:
            self._computing.discard(computing)

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended first
            loop.call_soon_threadsafe(self._turns.leave)
