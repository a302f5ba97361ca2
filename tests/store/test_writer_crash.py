"""A writer that crashes: nobody waits for it for ever, and whoever watches it hears."""

import pytest

from server.database import Entry, Unavailable, Work
from tests.store.bench import AT, Bench, HeldEngine, outcome, put


class BrokenEntry(Entry[str]):
    """Breaks whoever settles it."""

    def unit_ended(self) -> None:
        raise RuntimeError("broken")


async def test_a_crash_ends_the_writer_and_all_that_wait(bench: Bench) -> None:
    held = HeldEngine(bench.db)
    first = bench.submit(put("first"))
    await held.entered.wait()
    breaks = Work(AT)
    breaks.swap(BrokenEntry("key", "before"), "after")
    before, broken, after = (bench.submit(work) for work in (put("before"), breaks, put("after")))
    held.go.set()
    ends = [await outcome(unit) for unit in (first, before, broken, after)]
    assert ends == [None, None, Unavailable, Unavailable]
    with pytest.raises(RuntimeError, match="broken"):
        await bench.db.writer.watch()
    with pytest.raises(Unavailable):
        bench.submit(put("later"))
