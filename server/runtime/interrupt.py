"""Ending a long call that runs in a thread, when the program is asked to end."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, TypeVar

T = TypeVar("T")

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Interrupted(Exception):
    """A call ended because it was asked to, and undid what it had begun. `number`: the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


class Interrupt:
    """The request to end. The call in the thread looks at it between its steps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []
        self._number = 0

    @property
    def asked(self) -> bool:
        """Whether the call is to end."""
        return self._number != 0

    def ask(self, number: int) -> None:
        """Ask the call to end, for a signal. The first one counts."""
        with self._lock:
            self._number = self._number or number
            for wake in self._wakes:
                wake()

    def check(self) -> None:
        """Raises Interrupted where the call is to end."""
        if self._number:
            raise Interrupted(self._number)

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """While the call waits for something, `wake` ends that wait. It is called by another
        thread, and may not block. Raises Interrupted."""
        with self._lock:
            self.check()
            self._wakes.append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)


async def interruptible(call: Callable[[Interrupt], T]) -> T:
    """What a blocking call gives. SIGINT, SIGTERM and SIGHUP ask it to end.

    A signal that is ignored stays so (nohup). Raises Interrupted.
    """
    interrupt = Interrupt()
    loop = asyncio.get_running_loop()

    def handle(number: int, _: FrameType | None) -> None:
        # Not here: the main thread may hold the lock at this moment.
        loop.call_soon_threadsafe(interrupt.ask, number)

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        return await asyncio.to_thread(call, interrupt)
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set by Python
                signal.signal(number, handler)
