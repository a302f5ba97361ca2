"""Copying a database into a file while it is used, and putting such a copy in its place.

A copy is of one moment. What is put in place gets a new epoch: clients may have seen numbers that
the copy does not have, and must not take what is told under them next for what they know.
"""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from sqlalchemy import Connection, MetaData, inspect, text, update

from server.database import history
from server.database.alone import alone
from server.database.revisions import known_revisions, revision, with_connection
from server.database.tables import facts
from server.database.url import is_postgres, sqlite_path
from server.runtime import files

_OTHERS: Final = (
    "select count(*) from pg_stat_activity where application_name like 'warroom %'"
    " and datname = current_database() and pid <> pg_backend_pid()"
)


class InTheWay(Exception):
    """There is data already."""


def engine_of(url: str) -> str:
    """The kind of database: `sqlite` or `postgresql`."""
    return "postgresql" if is_postgres(url) else "sqlite"


def copy(url: str, to: Path) -> str:
    """Copy a database into a file. Returns the revision of its tables.

    Blocks. Raises ValueError where there is nothing to be copied, OSError, ConnectionError.
    """
    if not is_postgres(url) and not sqlite_path(url).is_file():
        raise ValueError(f"there is no database at {sqlite_path(url)}")
    found = revision(url)
    if found is None:
        raise ValueError("the database has no tables of Warroom")
    if is_postgres(url):
        _run("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", f"--file={to}")
    else:
        _copy_sqlite(sqlite_path(url), to)
        _check(to)
    return found


def put(url: str, copied: Path, its_revision: str, *, force: bool) -> None:
    """Put a copy in the place of a database. Its tables are as they were then.

    Blocks. Raises InTheWay where there is data and no `force`; ValueError where the copy is
    damaged or of a newer version, or where a server runs on the data; OSError, ConnectionError.
    """
    if its_revision not in known_revisions():
        raise ValueError(f"its tables are at {its_revision}, which this version does not know")
    if is_postgres(url):
        _put_postgres(url, copied, force)
    else:
        # A link stays, and what it leads to is replaced.
        place = sqlite_path(url).resolve()
        files.make_folder(place.parent)
        with alone(url):
            _put_sqlite(place, copied, its_revision, force)


def _renew_epoch(connection: Connection) -> None:
    connection.execute(
        update(facts).where(facts.c.name == "epoch").values(value=history.new_epoch())
    )
    connection.commit()


# ---- SQLite


def _copy_sqlite(source: Path, to: Path) -> None:
    """All pages as of one moment. Whoever writes meanwhile is not held up."""
    try:
        with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(to)) as here:
            there.backup(here)
            here.execute("pragma journal_mode = delete")  # one file, nothing beside it
    except sqlite3.Error as e:
        raise OSError(f"{source} can't be copied: {e}") from e


def _check(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute("pragma quick_check").fetchone()[0]
    except sqlite3.Error as e:
        found = str(e)
    if found != "ok":
        raise ValueError(f"the copy is damaged: {found}")


def _put_sqlite(place: Path, copied: Path, its_revision: str, force: bool) -> None:
    _check(copied)
    if (found := revision(f"sqlite:///{copied}")) != its_revision:
        raise ValueError(f"the copy is damaged: its tables are at {found}, not {its_revision}")
    if place.exists() and not force:
        raise InTheWay(f"there is a database at {place}")
    new = place.with_name(f".{place.name}.restored")
    try:
        shutil.copyfile(copied, new)
        with_connection(f"sqlite:///{new}", _renew_epoch)
        _close_down(place)
        files.replace(new, place)
    finally:
        new.unlink(missing_ok=True)


def _close_down(place: Path) -> None:
    """Make a database a single file: what lies beside it would be taken for the new one's.

    SQLite does that only for the last who has it open. Raises ValueError for anybody else.
    """
    if not place.exists():
        _remove_beside(place)
        return
    try:
        with closing(sqlite3.connect(place, timeout=0)) as connection:
            connection.execute("pragma journal_mode = delete")
    except sqlite3.OperationalError as e:
        raise ValueError(f"{place} is in use ({e}): stop the server first") from e
    except sqlite3.DatabaseError:
        # Not a database any more: that may be why it is to be replaced.
        _remove_beside(place)


def _remove_beside(place: Path) -> None:
    for beside in ("-wal", "-shm", "-journal"):
        place.with_name(place.name + beside).unlink(missing_ok=True)


# ---- PostgreSQL


def _put_postgres(url: str, copied: Path, force: bool) -> None:
    # All of it is read before anything is dropped: its contents alone would not tell of damage.
    _run("pg_restore", None, f"--file={os.devnull}", str(copied))

    def make_room(connection: Connection) -> None:
        if inspect(connection).get_table_names() and not force:
            raise InTheWay("the database has tables")
        if connection.execute(text(_OTHERS)).scalar_one():
            raise ValueError("the database is in use: stop the server first")
        there = MetaData()
        there.reflect(connection)
        there.drop_all(connection)
        connection.commit()

    with_connection(url, make_room)
    _run("pg_restore", url, "--no-owner", "--no-privileges", "--single-transaction", str(copied))
    with_connection(url, _renew_epoch)


def _run(program: str, url: str | None, *arguments: str) -> None:
    """Run a program of PostgreSQL on a database. Raises OSError with its last words.

    A password reaches it by its environment: others may see arguments.
    """
    environment = dict(os.environ)
    command = [program, *arguments]
    if url is not None:
        address, password = _without_password(url)
        command.append(f"--dbname={address}")
        if password is not None:
            environment["PGPASSWORD"] = password
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and nothing of a client's
            command, env=environment, capture_output=True, text=True, errors="replace", check=False
        )
    except FileNotFoundError:
        raise OSError(f"{program} is not installed (Debian: postgresql-client)") from None
    if done.returncode:
        words = [line for line in done.stderr.splitlines() if line.strip()]
        raise OSError(words[-1] if words else f"{program} ended with {done.returncode}")


def _without_password(url: str) -> tuple[str, str | None]:
    """An address without its password, and that."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    given = (
        [unquote(password)] if password else [value for key, value in query if key == "password"]
    )
    rest = urlencode([pair for pair in query if pair[0] != "password"], quote_via=quote)
    plain = urlunsplit(parts._replace(netloc=f"{name}{at}{host}", query=rest))
    return plain, given[-1] if given else None
