"""SIGTERM and SIGINT: both ask for the end, and asking again changes nothing."""

import asyncio
import signal
from collections.abc import Callable


def on_end(call: Callable[[], None]) -> None:
    """Call something in the running loop at each SIGTERM or SIGINT.

    Handlers of the loop itself would be gone with it, and a second signal, in the last moments
    of the process, would take away its exit code.
    """
    loop = asyncio.get_running_loop()

    def handle(*_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(call)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
