"""Backup of a database while it is used, and restore from such a copy.

A copy is of one moment. What is put in place gets a new epoch: clients may have seen numbers that
the copy does not have, and must not take what is told under them next for what they know. The
database is the former one or the copy with its new epoch, wherever this process is ended.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, inspect, update

from server.database import dumps, history
from server.database.instance_lock import instance_lock
from server.database.revisions import known_revisions, migrate, revision, with_connection
from server.database.tables import facts
from server.database.url import beside, is_postgres, sqlite_path
from server.runtime import files
from server.runtime.interrupt import Interrupt

_PAGES: Final = 1024
"""So many are copied between two looks at the interrupt: some milliseconds' worth."""
_STEPS: Final = 100_000
"""So many of SQLite's instructions are carried out between two such looks."""


class InTheWay(Exception):
    """There is data already."""


class Copied(NamedTuple):
    """A copy: the revision of its tables, and its bytes, which are made while they are read."""

    revision: str
    pieces: Iterable[bytes]


def engine_of(url: str) -> str:
    """The kind of database: `sqlite` or `postgresql`."""
    return "postgresql" if is_postgres(url) else "sqlite"


def copy(url: str, scratch: Path, interrupt: Interrupt) -> Copied:
    """Copy a database; unfinished files go into `scratch`.

    Blocks. Raises ValueError where there is nothing to be copied, OSError, Interrupted. The pieces
    raise the same.
    """
    if not is_postgres(url) and not sqlite_path(url).is_file():
        raise ValueError(f"there is no database at {sqlite_path(url)}")
    if is_postgres(url):
        found = revision(url)
    else:
        path = scratch / "database"
        _copy_sqlite(sqlite_path(url), path, interrupt)
        check_file(path, interrupt)
        found = revision(f"sqlite:///{path}")
    if found is None:
        raise ValueError("the database has no tables of Warroom")
    return Copied(found, _dump(url, found, interrupt) if is_postgres(url) else _read(path))


def put(
    url: str, pieces: Iterable[bytes], its_revision: str, interrupt: Interrupt, *, force: bool
) -> None:
    """Put a copy in the place of a database. Its tables are as they were then.

    Blocks. Raises InTheWay where there is data and no `force`; ValueError where the copy is
    damaged or of a newer version, or where a server runs on the data; OSError, Interrupted, and
    what `pieces` raises. Nothing is changed then.
    """
    if its_revision not in known_revisions():
        raise ValueError(f"its tables are at {its_revision}, which this version does not know")
    if is_postgres(url):
        _look_at_postgres(url, force)
        dumps.load(url, pieces, its_revision, interrupt, force=force)
    else:
        # A link stays, and what it leads to is replaced.
        place = sqlite_path(url).resolve()
        files.make_folder(place.parent)
        if place.exists() and not force:
            raise InTheWay(f"there is a database at {place}")
        with instance_lock(url):
            _put_sqlite(place, pieces, its_revision, interrupt, force)


def clean(url: str) -> None:
    """Remove what killed processes left beside a SQLite database: copies that were not put in
    place. Raises OSError."""
    if not is_postgres(url):
        files.clean(sqlite_path(url).resolve().parent)


@contextmanager
def opened_copy(
    folder: Path, pieces: Iterable[bytes], its_revision: str, interrupt: Interrupt
) -> Iterator[str]:
    """The address of a SQLite database in a folder, made from a copy to be looked at, and brought
    to this version's revision.

    Blocks. Raises ValueError where the copy is damaged or of a newer version, OSError, Interrupted.
    """
    if its_revision not in known_revisions():
        raise ValueError(f"its tables are at {its_revision}, which this version does not know")
    path = folder / "database"
    _write(path, pieces, its_revision, interrupt)
    migrate(f"sqlite:///{path}")
    yield f"sqlite:///{path}"


# ---- SQLite


def _copy_sqlite(source: Path, to: Path, interrupt: Interrupt) -> None:
    """All pages as of one moment. Whoever writes meanwhile is not held up."""
    there, here = sqlite3.connect(source, isolation_level=None), sqlite3.connect(to)
    try:
        with closing(there), closing(here):
            # Copied in steps, it would begin anew whenever another connection has written. It does
            # not within one read transaction. Source: sqlite3_backup_step, "If the source
            # database is modified by an external process …".
            there.execute("begin")
            there.execute("select 1 from sqlite_schema").fetchone()
            there.backup(here, pages=_PAGES, progress=lambda *_: interrupt.check())
            here.execute("pragma journal_mode = delete")  # one file, nothing beside it
    except sqlite3.Error as e:
        raise OSError(f"{source} can't be copied: {e}") from e


def check_file(path: Path, interrupt: Interrupt) -> None:
    """Let SQLite look through a file. Raises ValueError where it is damaged, Interrupted."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.set_progress_handler(lambda: interrupt.asked, _STEPS)
            found = connection.execute("pragma quick_check").fetchone()[0]
    except sqlite3.Error as e:
        interrupt.check()
        found = str(e)
    if found != "ok":
        raise ValueError(f"the copy is damaged: {found}")


def _write(path: Path, pieces: Iterable[bytes], its_revision: str, interrupt: Interrupt) -> None:
    """Write a copy into a new file, and look through it."""
    with path.open("xb") as file:
        for piece in pieces:
            interrupt.check()
            file.write(piece)
    check_file(path, interrupt)
    if (found := revision(f"sqlite:///{path}")) != its_revision:
        raise ValueError(f"the copy is damaged: its tables are at {found}, not {its_revision}")


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(files.PIECE_BYTES):
            yield piece


def _put_sqlite(
    place: Path, pieces: Iterable[bytes], its_revision: str, interrupt: Interrupt, force: bool
) -> None:
    if place.exists() and not force:
        raise InTheWay(f"there is a database at {place}")
    with files.scratch(place.parent) as folder:
        new = folder / "database"
        _write(new, pieces, its_revision, interrupt)
        with_connection(f"sqlite:///{new}", _renew_epoch)
        files.sync(new)
        interrupt.check()
        with _closed_down(place):
            files.replace(new, place)


def _renew_epoch(connection: Connection) -> None:
    connection.execute(
        update(facts).where(facts.c.name == "epoch").values(value=history.new_epoch())
    )
    connection.commit()


@contextmanager
def _closed_down(place: Path) -> Iterator[None]:
    """Make a database a single file, and let nobody open it: what lies beside it would be taken
    for the new one's.

    SQLite does that only for the last who has it open. Raises ValueError for anybody else.
    """
    if not place.exists():
        _remove_beside(place)
        yield
        return
    with closing(sqlite3.connect(place, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("pragma journal_mode = delete").fetchone()
            connection.execute("begin exclusive")
        except sqlite3.OperationalError as e:
            raise ValueError(f"{place} is in use ({e}): stop the server first") from e
        except sqlite3.DatabaseError:
            # Not a database any more: that may be why it is to be replaced.
            _remove_beside(place)
        yield


def _remove_beside(place: Path) -> None:
    for file in beside(place):
        file.unlink(missing_ok=True)


# ---- PostgreSQL


def _dump(url: str, its_revision: str, interrupt: Interrupt) -> Iterator[bytes]:
    yield from dumps.dump(url, interrupt)
    if (now := revision(url)) != its_revision:
        raise ValueError(f"the tables were changed meanwhile, from {its_revision} to {now}: again")


def _look_at_postgres(url: str, force: bool) -> None:
    tables = with_connection(url, lambda connection: inspect(connection).get_table_names())
    if not force and not set(tables).isdisjoint(dumps.our_tables()):
        raise InTheWay("the database has tables")
    found = revision(url)
    if found is not None and found not in known_revisions():
        raise ValueError(
            f"the tables are at {found}, which this version does not know: restore by that version,"
            " which knows all of them, or into an empty database"
        )
