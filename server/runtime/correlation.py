"""The correlation id: which message or request a line of the log is about (its field `origin`).

That of a message is its connection's id and the message's number on it, so that it costs the path
of every message one assignment and is written out only where something is logged. Tasks that are
started meanwhile have it too.
"""

from contextvars import ContextVar
from typing import Final

from protocol.ids import uuid7

CorrelationId = str | tuple[str, int]
"""The id of a request, or a connection's id and the number of the message."""

CORRELATION_ID: Final[ContextVar[CorrelationId | None]] = ContextVar("origin", default=None)


def written(ident: CorrelationId) -> str:
    """A correlation id as it stands in the log and in the reply to an internal fault."""
    return ident if isinstance(ident, str) else f"{ident[0]}.{ident[1]}"


def fault_id() -> str:
    """The id that a fault is replied to and logged with: the correlation id, or a new one."""
    ident = CORRELATION_ID.get()
    if ident is None:
        CORRELATION_ID.set(ident := uuid7())
    return written(ident)
