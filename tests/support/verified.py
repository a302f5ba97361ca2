"""What must be true of any database at the end of a test: the server's own invariants."""

from typing import Final

from server.database import verify
from server.domains import INVARIANTS

NO_ADMIN: Final = "users.an_admin"
"""What a server that was put together without `run` does not have."""


async def violated(url: str) -> set[str]:
    """The names of the invariants that do not hold, also beside a running server."""
    return {violation.invariant for violation in await verify(url, INVARIANTS)}


async def verified(url: str, *besides: str) -> None:
    """Check all invariants but those named. Raises AssertionError with what is violated, where."""
    found = await verify(url, INVARIANTS)
    assert [violation for violation in found if violation.invariant not in besides] == []
