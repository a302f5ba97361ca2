"""A connection that is kept open for reading, on each kind of database."""

import sqlite3
from typing import Any, Final, Protocol

import asyncpg

from server.database.connect_postgres import AWAY, lost
from server.database.statement import Row, Statement
from server.database.work import Unavailable

READ_S: Final = 2.0


class Reading(Protocol):
    """Where a statement that reads can be sent."""

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows. Raises Unavailable."""
        ...

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row, None where there is none. Raises Unavailable."""
        ...


class ReadConnection(Reading, Protocol):
    """A connection. `broken`: nothing more can be read over it."""

    broken: bool

    async def begin(self) -> None:
        """Open a read transaction: all that is read in it is of one moment."""
        ...

    async def end(self) -> None:
        """Close the read transaction, if there is one. Never raises."""
        ...

    async def close(self) -> None:
        """Take leave, in bounded time. Never raises."""
        ...

    def drop(self) -> None:
        """Cut the connection off, without a word to the database."""
        ...


class SqliteReadConnection:
    """A connection to SQLite. It never breaks: a file has nobody at the other end."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self.broken = False

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows. Raises Unavailable."""
        try:
            rows = await self._raw.execute_fetchall(statement.sqlite, statement.values(given))
        except sqlite3.OperationalError as e:
            raise Unavailable(str(e)) from e
        return [tuple(row) for row in rows]

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row, None where there is none. Raises Unavailable."""
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def begin(self) -> None:
        """Open a read transaction: all that is read in it is of one moment."""
        await self._raw.execute("begin")

    async def end(self) -> None:
        """Close the read transaction, if there is one. Never raises."""
        await self._raw.rollback()

    async def close(self) -> None:
        """Whoever gave the connection closes the file."""

    def drop(self) -> None:
        """Nothing to cut off."""


_BEGIN: Final = "begin isolation level repeatable read read only"


class PostgresReadConnection:
    """A connection to PostgreSQL. It is broken by whatever leaves its state unknown."""

    def __init__(self, raw: Any, read_s: float | None = READ_S) -> None:
        """`read_s`: the timeout of a statement in seconds, None for none."""
        self._raw = raw
        self._read_s = read_s
        self._in_transaction = False
        self.broken = False

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows. Raises Unavailable."""
        return [
            tuple(row) for row in await self._fetch(statement.postgres, statement.values(given))
        ]

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row, None where there is none. Raises Unavailable."""
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def begin(self) -> None:
        """Open a read transaction: all that is read in it is of one moment."""
        self._in_transaction = True
        await self._fetch(_BEGIN, ())

    async def end(self) -> None:
        """Close the read transaction, if there is one. Never raises."""
        if self._in_transaction and not self.broken:
            self._in_transaction = False
            try:
                await self._fetch("rollback", ())
            except Unavailable:
                return  # it is broken, and the pool sees that

    async def close(self) -> None:
        """Take leave, in bounded time. Never raises."""
        try:
            await self._raw.close(timeout=READ_S)
        except AWAY:
            self.drop()

    def drop(self) -> None:
        """Cut the connection off: PostgreSQL ends what it still does for us."""
        try:
            self._raw.terminate()
        except asyncpg.InterfaceError:
            return  # it was lost, and asyncpg has taken it back already

    async def _fetch(self, text: str, values: Row) -> list[Any]:
        try:
            rows: list[Any] = await self._raw.fetch(text, *values, timeout=self._read_s)
        except AWAY as e:
            self.broken |= lost(e)
            raise Unavailable(f"{type(e).__name__}: {e}") from e
        except BaseException as e:
            # A caller that was cancelled leaves a query under way. An error of the database is
            # an answer, and nothing is open after it but what `end` closes.
            self.broken |= not isinstance(e, Exception)
            raise
        return rows
