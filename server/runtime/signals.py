"""SIGTERM, SIGINT and SIGHUP: each asks for the end, and asking again changes nothing."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

NUMBERS: Final = tuple(
    number
    for name in ("SIGTERM", "SIGINT", "SIGHUP")
    if (number := getattr(signal, name, None)) is not None  # Windows has no SIGHUP
)


def on_end(call: Callable[[], None]) -> None:
    """Call something in the running loop at each signal.

    SIGHUP stays ignored where it was ignored at the start: so does nohup.

    Handlers of the loop itself would be gone with it, and a second signal at the end of the
    process would take away its exit code.
    """
    loop = asyncio.get_running_loop()

    def handle(*_: object) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(call)

    for number in NUMBERS:
        if number.name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handle)


def ignore() -> None:
    """From here on the process ends, and needs no more signals for that.

    Python itself puts back the default at its end, but for what is ignored.
    """
    for number in NUMBERS:
        signal.signal(number, signal.SIG_IGN)
