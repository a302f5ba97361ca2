"""Decisions on what the database holds: made again while it changes under them.

A decision reads a cached entry or rows, runs a pure rule and commits the unit of work that says
what follows. The unit is Stale where another one was faster; then everything is read again. A
command's handler is run again by the gateway; all else calls `retry_while_stale`.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from protocol.errors import Failure, busy
from server.database.work import Stale

R = TypeVar("R")

MAX_DECISIONS: Final = 5
"""How often the same is decided before its caller is told to come back later."""


class WriteConflict(Failure):
    """Failure `busy`: each time it was decided, something else was committed first."""

    def __init__(self) -> None:
        super().__init__(busy("write conflict; retry").error)


async def retry_while_stale(attempt: Callable[[], Awaitable[R]]) -> R:
    """Run an attempt, again while it is stale. Returns what it returns.

    An attempt reads, decides and commits, and changes nothing but by its commit. Raises
    WriteConflict after `MAX_DECISIONS` attempts, and what the attempt raises.
    """
    decisions = 0
    while True:
        try:
            return await attempt()
        except Stale as stale:
            decisions += 1
            if decisions == MAX_DECISIONS:
                raise WriteConflict from stale
