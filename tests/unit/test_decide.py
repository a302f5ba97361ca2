"""Decisions that are made again while they are stale."""

import pytest

from protocol.errors import Code, Failure
from server.database import MAX_DECISIONS, Stale, Unavailable, WriteConflict, retry_while_stale


class Attempts:
    """An attempt that ends, in turn, in each of these; in its number where that is None."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = ends
        self.made = 0

    async def __call__(self) -> int:
        self.made += 1
        end = self.ends[self.made - 1]
        if end is not None:
            raise end
        return self.made


async def test_what_is_not_stale_is_decided_once() -> None:
    attempts = Attempts(None)
    assert await retry_while_stale(attempts) == attempts.made == 1


async def test_what_is_stale_is_decided_again() -> None:
    attempts = Attempts(*[Stale()] * (MAX_DECISIONS - 1), None)
    assert await retry_while_stale(attempts) == attempts.made == MAX_DECISIONS == 5


async def test_what_is_always_stale_is_busy() -> None:
    attempts = Attempts(*[Stale(f"{n}") for n in range(MAX_DECISIONS)])
    with pytest.raises(WriteConflict, match="write conflict") as raised:
        await retry_while_stale(attempts)
    assert attempts.made == MAX_DECISIONS
    assert isinstance(raised.value, Failure)
    assert raised.value.error.code is Code.BUSY
    assert raised.value.error.retry_after_ms
    assert raised.value.__cause__ is attempts.ends[-1]


@pytest.mark.parametrize("end", [Unavailable("away"), WriteConflict(), ValueError("broken")])
async def test_what_ends_otherwise_is_not_decided_again(end: Exception) -> None:
    """The outcome of what was unavailable is not known: only its caller may ask again."""
    attempts = Attempts(Stale(), end)
    with pytest.raises(type(end)):
        await retry_while_stale(attempts)
    assert attempts.made == 2
