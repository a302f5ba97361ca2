"""What set off what happens: the message or the request that a line of the log is about.

A message's origin is its connection and how many came over that before it, so that it costs the
path of every message one assignment and is written out only where something is logged. Tasks that
are started meanwhile have it too.
"""

from contextvars import ContextVar
from typing import Final

from protocol.ids import uuid7

Origin = str | tuple[str, int]
"""The id of a request, or a connection's id and the number of the message."""

ORIGIN: Final[ContextVar[Origin | None]] = ContextVar("origin", default=None)


def written(origin: Origin) -> str:
    """An origin as it stands in the log and in the answer to an internal fault."""
    return origin if isinstance(origin, str) else f"{origin[0]}.{origin[1]}"


def fault_id() -> str:
    """What a fault is told and logged under: what set it off, or a new id where nothing did."""
    origin = ORIGIN.get()
    if origin is None:
        ORIGIN.set(origin := uuid7())
    return written(origin)
