"""Reading: over connections that are held, never over one opened for a query.

`databases` gives the connections; its own transactions and its per-task connections are not used:
a task that is cancelled inside `transaction()` leaks its connection, and on SQLite each query
outside a held connection opens a file and a thread.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from databases import Database
from databases.core import Connection

from server.database.statement import Statement

Row = tuple[Any, ...]


class Reading(Protocol):
    """Where a statement that reads can be sent."""

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows."""
        ...

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row, None where there is none."""
        ...


class HeldConnection:
    """One SQLite connection that is held for reading."""

    def __init__(self, connection: Connection) -> None:
        self._raw = connection.raw_connection

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows."""
        rows = await self._raw.execute_fetchall(statement.sqlite, statement.values(given))
        return [tuple(row) for row in rows]

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row, None where there is none."""
        rows = await self.all(statement, **given)
        return rows[0] if rows else None

    async def begin(self) -> None:
        """Open a read transaction: all that is read in it is of one moment."""
        await self._raw.execute("begin")

    async def end(self) -> None:
        """Close the read transaction, if there is one."""
        await self._raw.rollback()


class Reader:
    """The connections held for reading."""

    def __init__(self, url: str, size: int) -> None:
        self._database = Database(url)
        self._size = size
        self._connections: list[Connection] = []
        self._free: asyncio.LifoQueue[HeldConnection] = asyncio.LifoQueue()

    async def open(self) -> None:
        """Open all connections."""
        await self._database.connect()
        for _ in range(self._size):
            # A connection belongs to the task that first asks for it: each is asked for in a
            # task of its own.
            connection = await asyncio.create_task(self._hold())
            self._connections.append(connection)
            self._free.put_nowait(HeldConnection(connection))

    async def _hold(self) -> Connection:
        return await self._database.connection().__aenter__()

    async def close(self) -> None:
        """Close all connections. Whoever still reads gets an error."""
        while self._connections:
            await self._connections.pop().__aexit__(None, None, None)
        await self._database.disconnect()

    @property
    def in_use(self) -> int:
        """How many connections are reading now."""
        return len(self._connections) - self._free.qsize()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[HeldConnection]:
        held = await self._free.get()
        try:
            yield held
        finally:
            self._free.put_nowait(held)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Reading]:
        """Read several things as they were at one moment."""
        async with self._connection() as held:
            try:
                await held.begin()
                yield held
            finally:
                # A caller that is cancelled leaves no open transaction behind.
                await asyncio.shield(held.end())

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows of one statement."""
        async with self._connection() as held:
            return await held.all(statement, **given)

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row of one statement, None where there is none."""
        async with self._connection() as held:
            return await held.one(statement, **given)
