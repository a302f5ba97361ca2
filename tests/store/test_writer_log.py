"""What the writer logs names what set its units off."""

import pytest

from server.database import Stale, Unavailable, writer
from server.runtime.origin import ORIGIN
from tests.store.bench import Bench, Said, outcome, put
from tests.support.engines import on_both_engines

pytestmark = on_both_engines


async def test_a_batch_that_fails_or_is_slow_names_what_set_its_units_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(writer, "log", said)
    ORIGIN.set(("a connection", 7))
    await bench.submit(put("a"))
    assert said.lines == [], "what goes well is not told, but at DEBUG"
    monkeypatch.setattr(writer, "SLOW_S", 0.0)
    await bench.submit(put("b"))
    ORIGIN.set("a request")
    assert await outcome(bench.submit(put("b"))) is Stale
    ORIGIN.set(None)
    await bench.submit(put("c"))
    slow = [
        fields
        for level, event, fields in said.lines
        if (level, event) == ("warning", "commit_slow")
    ]
    assert [fields["origins"] for fields in slow] == [["a connection.7"], ["a request"], []]
    assert [fields["fallen"] for fields in slow] == [0, 1, 0]
    assert all(fields["ms"] > 0 for fields in slow)


async def test_a_batch_that_is_not_committed_names_what_set_its_units_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(writer, "log", said)

    async def fail(_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(bench.db.writer._engine, "commit", fail)
    ORIGIN.set(("a connection", 7))
    assert await outcome(bench.submit(put("a"))) is Unavailable
    ORIGIN.set(None)
    ((level, event, fields),) = said.lines
    assert (level, event) == ("warning", "commit_failed")
    assert fields["origins"] == ["a connection.7"]


async def test_what_is_logged_while_a_unit_is_told_is_about_what_set_it_off(bench: Bench) -> None:
    seen: list[object] = []
    for origin in (("a connection", 1), None, "a request"):
        work = put(f"of {origin}")
        work.then(lambda: seen.append(ORIGIN.get()))
        ORIGIN.set(origin)
        await bench.submit(work)
    ORIGIN.set(None)
    assert seen == [("a connection", 1), None, "a request"]
