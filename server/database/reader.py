"""Reading: over connections that are held, never over one opened for a query.

`databases` gives the connections; its own transactions and its per-task connections are not used:
a task that is cancelled inside `transaction()` leaks its connection, and on SQLite each query
outside a held connection opens a file and a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from databases import Database
from databases.core import Connection

from server.database.held import Held, Reading
from server.database.postgres import AWAY
from server.database.statement import Row, Statement
from server.database.work import Unavailable
from server.runtime.log import logger

log = logger("database")

WAIT_S: Final = 2.0
AGAIN_S: Final = 0.25


class Reader:
    """The connections held for reading. One that breaks is replaced in the background.

    While none can be had, whoever wants to read hears so at once.
    """

    def __init__(self, url: str, hold: Callable[[Any], Held], size: int, **options: Any) -> None:
        """`options` are the pool's."""
        self._database = Database(url, **options)
        self._hold = hold
        self._size = size
        self._open: dict[Held, Connection] = {}
        self._free: asyncio.LifoQueue[Held] = asyncio.LifoQueue()
        self._replacing: set[asyncio.Task[None]] = set()
        self._away = False
        self.waiting = 0

    async def open(self) -> None:
        """Open all connections. Raises what the database raises."""
        await self._database.connect()
        for _ in range(self._size):
            await self._add()

    async def close(self) -> None:
        """Close all connections. Whoever still reads gets an error."""
        for task in self._replacing:
            task.cancel()
        await asyncio.gather(*self._replacing, return_exceptions=True)
        await asyncio.gather(*(held.close() for held in self._open))
        for connection in self._open.values():
            await connection.__aexit__(None, None, None)
        self._open.clear()
        if self._database.is_connected:
            await self._database.disconnect()

    @property
    def open_connections(self) -> int:
        """How many connections there are to read over."""
        return len(self._open)

    @property
    def in_use(self) -> int:
        """How many connections are reading now."""
        return len(self._open) - self._free.qsize()

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[Reading]:
        """Read several things as they were at one moment. Raises Unavailable."""
        async with self._connection() as held:
            try:
                await held.begin()
                yield held
            finally:
                # A caller that is cancelled leaves no open transaction behind, and gives the
                # connection back only once that is so.
                await _whole(held.end())

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows of one statement. Raises Unavailable."""
        async with self._connection() as held:
            return await held.all(statement, **given)

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row of one statement, None where there is none. Raises Unavailable."""
        async with self._connection() as held:
            return await held.one(statement, **given)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Held]:
        if self._away and not self._open:
            raise Unavailable("it does not answer")
        self.waiting += 1
        try:
            async with asyncio.timeout(WAIT_S):
                held = await self._free.get()
        except TimeoutError:
            raise Unavailable(f"no connection came free in {WAIT_S:g} s") from None
        finally:
            self.waiting -= 1
        try:
            yield held
        finally:
            if held.broken:
                self._replace(held)
            else:
                self._free.put_nowait(held)

    async def _add(self) -> None:
        # A connection belongs to the task that first asks for it: each is asked for in a task of
        # its own.
        connection = await asyncio.create_task(self._enter())
        held = self._hold(connection.raw_connection)
        self._open[held] = connection
        self._away = False
        self._free.put_nowait(held)

    async def _enter(self) -> Connection:
        return await self._database.connection().__aenter__()

    def _replace(self, held: Held) -> None:
        held.drop()
        task = asyncio.create_task(self._renew(self._open.pop(held)), name="reader")
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _renew(self, broken: Connection) -> None:
        """Give a broken connection back, then try until there is another."""
        log.warning("reader_lost")
        await broken.__aexit__(None, None, None)
        while True:
            try:
                await self._add()
            except AWAY:
                self._away = True
                await asyncio.sleep(AGAIN_S)
            else:
                log.info("reader_back")
                return


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Do all of something that ends soon, also where whoever waits for it is cancelled."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
