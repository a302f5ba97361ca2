"""Carrying out units on SQLite: one connection of ours, statements inline, COMMIT in a thread.

Measured: awaiting each statement through aiosqlite gives a third of the strikes a second. The
statements of a batch take microseconds each and run on the loop; the sync to disk, which takes
most of a millisecond and holds no interpreter lock, runs in a thread while the loop goes on.
"""

import asyncio
import os.path
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from server.database.instance_lock import LOCK
from server.database.statement import Row
from server.database.url import beside
from server.database.work import (
    ANY_NUMBER,
    DatabaseGone,
    Numbers,
    Stale,
    Unavailable,
    Work,
    unit_statements,
)
from server.database.writer import Late, Outcome
from server.runtime.log import logger

log = logger("database")

BUSY_TIMEOUT_MS: Final = 5000
_OF_THE_UNIT: Final = (
    Stale,
    sqlite3.IntegrityError,
    sqlite3.ProgrammingError,
    sqlite3.DataError,
    OverflowError,  # these three: a value that SQLite can't take
    TypeError,
    ValueError,
)
"""What is wrong with one unit and harms no other."""


class OpenedFiles:
    """The files that were at the path of a database when it was opened.

    A file that was removed, or that another was put in the place of, can be written to as before,
    and all of it is gone when it is closed.
    Source: https://www.sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file while
    in use".
    """

    def __init__(self, path: Path) -> None:
        """Raises OSError where one of them is not there."""
        real = path.resolve()
        self._log, shared, _ = beside(real)  # both are there as long as one program has it open
        # Also by the path that was given: a link may be redirected.
        names = [path, real, self._log, shared]
        # Without the lock another server could start beside this one.
        if (lock := real.with_name(real.name + LOCK)).exists():
            names.append(lock)
        self._opened = [(name, name.stat()) for name in dict.fromkeys(names)]
        self._log_size = 0

    def check(self) -> None:
        """Raises DatabaseGone where one of them is not there any more, or was cut short.

        Takes a few microseconds.
        """
        for name, opened in self._opened:
            # Before the file is looked at: the thread that commits looks too, and has seen more.
            least = self._log_size
            try:
                found = name.stat()
            except FileNotFoundError:
                raise DatabaseGone(f"{name} was removed while the server ran on it") from None
            except OSError as e:
                raise DatabaseGone(f"{name} can't be seen any more: {e.strerror}") from e
            if not os.path.samestat(found, opened):
                raise DatabaseGone(f"{name} was replaced while the server ran on it")
            if name == self._log:
                # SQLite writes it over from its beginning, and never makes it shorter.
                if found.st_size < least:
                    raise DatabaseGone(f"{name} was cut short while the server ran on it")
                self._log_size = found.st_size


def _fallen() -> Stale:
    return Stale("what it was decided on has fallen")


class SqliteEngine:
    """The writing connection of a SQLite database."""

    def __init__(self, path: Path) -> None:
        self.late: Late = lambda *_: None  # what became of a COMMIT is always known here
        self._connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        for pragma in (
            "journal_mode = wal",
            "synchronous = full",
            "foreign_keys = on",
            "cache_size = -8192",  # all that is written is new: more would only be colder memory
            "busy_timeout = 0",
        ):
            self._connection.execute(f"pragma {pragma}")
        self._connection.execute("select 1 from sqlite_schema")  # now its three files are there
        self._files = OpenedFiles(path)
        self._committing = False
        self._locked = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    @property
    def connected(self) -> bool:
        """Always: it is a file."""
        return True

    @property
    def read_only(self) -> bool:
        """Never for the whole of a run: each commit tries anew."""
        return False

    async def look(self) -> None:
        """Nothing that `check` does not see."""

    def check(self) -> bool:
        """Whether another process holds the write lock.

        Raises DatabaseGone where the files are no longer those that were opened.
        """
        self._files.check()
        if not self._committing:  # else a thread uses the connection, and waits for the lock
            try:
                self._connection.execute("begin immediate")
                self._connection.execute("rollback")
            except sqlite3.OperationalError as e:
                self._locked = e.sqlite_errorcode == sqlite3.SQLITE_BUSY
            else:
                self._locked = False
        return self._locked

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._thread.shutdown()

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Carry out all units in one transaction.

        Raises Unavailable where nothing is committed, DatabaseGone where it is committed to files
        that nobody will find.
        """
        self._committing = True
        try:
            if self._connection.in_transaction:  # an earlier one could not be rolled back either
                self._connection.execute("rollback")
            await self._begin()
            outcomes: list[Outcome]
            try:
                outcomes = [
                    _fallen() if unit.is_stale else self._statements(unit) for unit in units
                ]
            except _OF_THE_UNIT:  # something is wrong with one of them: each in a savepoint
                self._connection.execute("rollback")
                await self._begin()
                outcomes = [self._alone(unit) for unit in units]
            await asyncio.get_running_loop().run_in_executor(self._thread, self._commit)
        except sqlite3.Error as e:
            self._roll_back()
            raise Unavailable(str(e)) from e
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._committing = False
        return outcomes

    def _commit(self) -> None:
        """Commit, and only then look whether the files are still those that were opened: what is
        acknowledged now is in a database that the next start finds. And before: a log that was
        cut short is as long as before once it is written to."""
        self._files.check()
        self._connection.commit()
        self._files.check()

    async def _begin(self) -> None:
        """Take the write lock. Where another process has it, wait for it in the thread."""
        try:
            self._connection.execute("begin immediate")
        except sqlite3.OperationalError as e:
            if e.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            await asyncio.get_running_loop().run_in_executor(self._thread, self._wait_and_begin)

    def _wait_and_begin(self) -> None:
        self._connection.execute(f"pragma busy_timeout = {BUSY_TIMEOUT_MS}")
        try:
            self._connection.execute("begin immediate")
        finally:
            self._connection.execute("pragma busy_timeout = 0")

    def _roll_back(self) -> None:
        """Roll back after a fault. Never raises: what made COMMIT fail, such as a disk that can't
        be read, may keep that from going well, and the next batch tries again."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
        except sqlite3.Error as e:
            log.warning("rollback_failed", error=str(e))

    def _alone(self, unit: Work) -> Outcome:
        """One unit, in a savepoint: what is wrong with it harms no other."""
        if unit.is_stale:
            return _fallen()
        execute = self._connection.execute
        execute("savepoint unit")
        try:
            numbers = self._statements(unit)
        except _OF_THE_UNIT as e:
            execute("rollback to unit")
            execute("release unit")
            unit.invalidate()
            return Stale(str(e)) if isinstance(e, sqlite3.IntegrityError) else e
        execute("release unit")
        return numbers

    def _statements(self, unit: Work) -> Numbers:
        todo = unit_statements(unit)
        execute = self._connection.execute
        row: Row | None = None
        try:
            while True:
                change = todo.send(row)
                statement, rows = change.statement, change.rows
                cursor = execute(statement.sqlite, change.values)
                row = cursor.fetchone() if statement.returning else None
                touched = cursor.rowcount if row is None else 1
                if rows not in (touched, ANY_NUMBER):
                    raise Stale(f"{statement.name} touched {touched} rows, not {rows}")
        except StopIteration as end:
            numbers: Numbers = end.value
            return numbers
