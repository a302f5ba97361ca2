"""Whether the files of an open database are still those that were opened."""

from pathlib import Path

import pytest

from server.database.sqlite import OpenedFiles
from server.database.work import DatabaseGone


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database as it is while it is open."""
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        (tmp_path / name).write_bytes(b"x" * 100)
    return tmp_path / "a.db"


def log(database: Path) -> Path:
    """Its write-ahead log."""
    return database.with_name("a.db-wal")


def test_a_log_that_grows_is_the_same(database: Path) -> None:
    opened = OpenedFiles(database)
    for size in (200, 200, 300):
        log(database).write_bytes(b"x" * size)
        opened.check()


def test_a_log_that_was_cut_short_is_gone(database: Path) -> None:
    opened = OpenedFiles(database)
    opened.check()
    log(database).write_bytes(b"x" * 99)
    with pytest.raises(DatabaseGone, match="cut short"):
        opened.check()


def test_two_threads_that_look_at_once_do_not_see_it_shrink(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that commits has seen a longer log than the one that has looked before it."""
    opened, look, looks = OpenedFiles(database), Path.stat, []

    def and_then_the_other(name: Path) -> object:
        found = look(name)
        if name == log(database) and not looks:
            looks.append(name)
            log(database).write_bytes(b"x" * 500)
            opened.check()
        return found

    monkeypatch.setattr(Path, "stat", and_then_the_other)
    opened.check()
    assert looks
