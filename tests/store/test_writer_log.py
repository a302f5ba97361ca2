"""What the writer logs names what set its units off."""

import asyncio
import sqlite3
from itertools import repeat
from typing import Any

import pytest

from server.database import Stale, Unavailable, postgres, postgres_batch, sqlite, writer
from server.runtime.correlation import CORRELATION_ID
from tests.store.bench import Bench, NoCommit, Said, outcome, put
from tests.support.engines import on_both_engines


@on_both_engines
async def test_a_batch_that_fails_or_is_slow_names_what_set_its_units_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(writer, "log", said)
    CORRELATION_ID.set(("a connection", 7))
    await bench.submit(put("a"))
    assert said.lines == [], "what goes well is not told, but at DEBUG"
    monkeypatch.setattr(writer, "SLOW_S", 0.0)
    await bench.submit(put("b"))
    CORRELATION_ID.set("a request")
    assert await outcome(bench.submit(put("b"))) is Stale
    CORRELATION_ID.set(None)
    await bench.submit(put("c"))
    slow = [
        fields
        for level, event, fields in said.lines
        if (level, event) == ("warning", "commit_slow")
    ]
    assert [fields["origins"] for fields in slow] == [["a connection.7"], ["a request"], []]
    assert [fields["fallen"] for fields in slow] == [0, 1, 0]
    assert all(fields["ms"] > 0 for fields in slow)


@on_both_engines
async def test_a_batch_that_is_not_committed_names_what_set_its_units_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = Said()
    monkeypatch.setattr(writer, "log", said)

    async def fail(_: object) -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(bench.db.writer._engine, "commit", fail)
    CORRELATION_ID.set(("a connection", 7))
    assert await outcome(bench.submit(put("a"))) is Unavailable
    CORRELATION_ID.set(None)
    ((level, event, fields),) = said.lines
    assert (level, event) == ("warning", "commit_failed")
    assert fields["origins"] == ["a connection.7"]


@on_both_engines
async def test_what_is_logged_while_a_unit_is_told_is_about_what_set_it_off(bench: Bench) -> None:
    seen: list[object] = []
    for origin in (("a connection", 1), None, "a request"):
        work = put(f"of {origin}")
        work.on_commit(lambda: seen.append(CORRELATION_ID.get()))
        CORRELATION_ID.set(origin)
        await bench.submit(work)
    CORRELATION_ID.set(None)
    assert seen == [("a connection", 1), None, "a request"]


class Failing:
    """A SQLite connection whose COMMIT fails as on a disk that is broken, and then ROLLBACK too."""

    def __init__(self, bench: Bench) -> None:
        engine: Any = bench.db.writer._engine
        self._engine, self._connection = engine, engine._connection
        engine._connection = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Fail."""
        raise sqlite3.OperationalError("disk I/O error")

    def execute(self, text: str, *given: Any) -> Any:
        """Fail to roll back."""
        if text == "rollback":
            raise sqlite3.OperationalError("disk I/O error")
        return self._connection.execute(text, *given)

    def heal(self) -> None:
        """Be the real one again."""
        self._engine._connection = self._connection


def logged(monkeypatch: pytest.MonkeyPatch) -> Said:
    """What the writer and both engines log."""
    said = Said()
    for module in (writer, sqlite, postgres):
        monkeypatch.setattr(module, "log", said)
    return said


@on_both_engines
async def test_a_commit_that_fails_is_one_line_without_a_traceback(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = logged(monkeypatch)
    with NoCommit(bench):
        assert await outcome(bench.submit(put("a"))) is Unavailable
    ((level, event, fields),) = said.lines
    assert (level, event, fields["units"]) == ("warning", "commit_failed", 1)
    assert fields["error"]
    assert "exc_info" not in fields
    await bench.submit(put("a"))


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
async def test_where_it_can_not_be_rolled_back_either_that_is_a_line_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = logged(monkeypatch)
    failing = Failing(bench)
    assert await outcome(bench.submit(put("a"))) is Unavailable
    assert await outcome(bench.submit(put("b"))) is Unavailable
    failing.heal()
    await bench.submit(put("c"))
    assert await bench.facts() == {"c": "1"}
    assert {level for level, _, _ in said.lines} == {"warning"}
    assert [event for _, event, _ in said.lines].count("commit_failed") == 2
    assert all("exc_info" not in fields for _, _, fields in said.lines)


@on_both_engines
async def test_what_nobody_expected_keeps_its_traceback(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = logged(monkeypatch)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "unit_statements", fail)
        patched.setattr(postgres_batch, "unit_statements", fail)
        assert await outcome(bench.submit(put("a"))) is Unavailable
    assert ("exception", "commit_failed") in [(level, event) for level, event, _ in said.lines]
    async with asyncio.timeout(20):
        for pause in repeat(0.05):
            if await outcome(bench.submit(put("b"))) is None:
                break
            await asyncio.sleep(pause)
