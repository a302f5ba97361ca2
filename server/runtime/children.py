"""Programs that this one starts: they end when it ends, by kill -9 too."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""Source: prctl(2)."""


def with_parent() -> Callable[[], None] | None:
    """The `preexec_fn` of a child that gets SIGTERM when its parent ends. None where the system has
    nothing like it: only Linux does."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))
        if os.getppid() != parent:  # it ended before it could be asked
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
