"""Reading: over connections that are held, never over one opened for a query.

`databases` gives the connections; its own transactions and its per-task connections are not used:
a task that is cancelled inside `transaction()` leaks its connection, and on SQLite each query
outside a held connection opens a file and a thread.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from databases import Database
from databases.core import Connection

from server.database.connect_postgres import REFUSED
from server.database.fair_pool import FairPool
from server.database.read_connection import ReadConnection, Reading
from server.database.statement import Row, Statement
from server.database.work import Unavailable
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("database")

WAIT_S: Final = 2.0
AGAIN_S: Final = 0.25


class _Opened(NamedTuple):
    """What a connection was taken as from the pool, and when."""

    connection: Connection
    at: float


async def _ended(held: ReadConnection) -> None:
    """Close the transaction, also for a caller that is cancelled: until that is done, nobody else
    can read over the connection."""
    ending = asyncio.create_task(held.end())
    cancelled: asyncio.CancelledError | None = None
    while not ending.done():
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError as e:
            cancelled = e
    if cancelled is not None:
        raise cancelled


class Reader:
    """The connections held for reading. One that breaks is replaced in the background.

    While none can be had, whoever wants to read hears so at once.
    """

    def __init__(
        self,
        url: str,
        hold: Callable[[Any], ReadConnection],
        size: int,
        clock: Clock,
        **options: Any,
    ) -> None:
        """`options` are the pool's, which must give one more than `size` to be recycled."""
        self._database = Database(url, **options)
        self._hold = hold
        self._size = size
        self._clock = clock
        self._open: dict[ReadConnection, _Opened] = {}
        self._free: FairPool[ReadConnection] = FairPool()
        self._replacing: set[asyncio.Task[None]] = set()
        # Those that are read over for the last time.
        self._retired: dict[ReadConnection, asyncio.Event] = {}
        self._away = False

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
        for opened in self._open.values():
            await opened.connection.__aexit__(None, None, None)
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
        return len(self._open) - len(self._free)

    @property
    def waiting(self) -> int:
        """How many wait for a connection to read over."""
        return self._free.waiting

    @asynccontextmanager
    async def read_transaction(self) -> AsyncIterator[Reading]:
        """Read several things as they were at one moment. Raises Unavailable."""
        async with self._connection() as held:
            try:
                await held.begin()
                yield held
            finally:
                await _ended(held)

    async def all(self, statement: Statement, /, **given: Any) -> list[Row]:
        """All rows of one statement. Raises Unavailable."""
        async with self._connection() as held:
            return await held.all(statement, **given)

    async def one(self, statement: Statement, /, **given: Any) -> Row | None:
        """The first row of one statement, None where there is none. Raises Unavailable."""
        async with self._connection() as held:
            return await held.one(statement, **given)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[ReadConnection]:
        if self._away and not self._open:
            raise Unavailable("it does not answer")
        try:
            held = await self._free.take(WAIT_S)
        except TimeoutError:
            raise Unavailable(f"no free connection within {WAIT_S:g} s") from None
        try:
            yield held
        finally:
            if (unused := self._retired.pop(held, None)) is not None:
                unused.set()
            elif held.broken and held in self._open:  # else this is closed
                self._replace(held)
            else:
                self._free.put(held)

    async def _add(self) -> None:
        self._free.put(await self._opened())
        self._away = False

    async def _opened(self) -> ReadConnection:
        # A connection belongs to the task that first asks for it: each is asked for in a task of
        # its own.
        return await asyncio.create_task(self._enter())

    async def _enter(self) -> ReadConnection:
        connection = await self._database.connection().__aenter__()
        held = self._hold(connection.raw_connection)
        # Here, so that `close` finds it even if whoever waits for it is cancelled.
        self._open[held] = _Opened(connection, self._clock.monotonic())
        return held

    # ---- growing old

    @property
    def oldest_at(self) -> float | None:
        """When the oldest connection was opened, None where there is none."""
        return min((opened.at for opened in self._open.values()), default=None)

    async def recycle(self, until: float) -> int:
        """Replace the connections opened by then, one after another. Returns how many.

        Each is read over until the new one is there. Raises what the database raises.
        """
        recycled = 0
        for old in [held for held, opened in self._open.items() if opened.at <= until]:
            new = await self._opened()
            if old not in self._open:  # it broke meanwhile, and is being replaced
                await self._leave(new)
                continue
            self._free.put(new)
            if not self._free.remove(old):
                self._retired[old] = asyncio.Event()
                await self._retired[old].wait()
            await self._leave(old)
            recycled += 1
        return recycled

    async def _leave(self, held: ReadConnection) -> None:
        """Close a connection that nobody reads over."""
        if held.broken:
            held.drop()
        else:
            await held.close()
        await self._open.pop(held).connection.__aexit__(None, None, None)

    # ---- breaking, and being replaced

    def replace_all(self) -> None:
        """Replace all connections: the database is at another server now. Those that are in use
        are replaced after that."""
        for held in list(self._open):
            if self._free.remove(held):
                self._replace(held)
            else:
                held.broken = True

    def _replace(self, held: ReadConnection) -> None:
        held.drop()
        task = asyncio.create_task(self._renew(self._open.pop(held).connection), name="reader")
        self._replacing.add(task)
        task.add_done_callback(self._replacing.discard)

    async def _renew(self, broken: Connection) -> None:
        """Give a broken connection back, then try until there is another."""
        log.warning("reader_lost")
        await broken.__aexit__(None, None, None)
        while True:
            try:
                await self._add()
            except REFUSED:
                self._away = True
                await asyncio.sleep(AGAIN_S)
            else:
                log.info("reader_back")
                return
