"""Opening the database: its address, its writer, its readers."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from server.database import history
from server.database.connect_postgres import AWAY, REFUSED, Target, Unusable, connect_postgres
from server.database.postgres import PostgresEngine
from server.database.read_connection import (
    READ_S,
    PostgresReadConnection,
    Reading,
    SqliteReadConnection,
)
from server.database.reader import Reader
from server.database.recycling import Recycled, Recycling
from server.database.sqlite import SqliteEngine
from server.database.url import is_postgres, sqlite_path
from server.database.work import Stale, Unavailable, Work
from server.database.writer import Publish, Writer
from server.runtime.clock import Clock
from server.runtime.metrics import Metrics

READER_NAME: Final = "warroom reader"


class Database:
    """The open database."""

    def __init__(self, writer: Writer, reader: Reader, recycling: Recycling, epoch: str) -> None:
        self.writer = writer
        self.reader = reader
        self.recycling = recycling
        self.epoch = epoch

    def commit(self, work: Work) -> asyncio.Future[None]:
        """Commit a unit of work that no request caused.

        It is queued at once; cancelling the caller does not cancel it. Raises Stale, Unavailable.
        """
        return self.writer.submit(work)

    async def close(self) -> None:
        """Commit what is queued, then close all connections."""
        await self.writer.close()
        await self.reader.close()


async def connect(
    url: str, *, readers: int, recycle_s: float, publish: Publish, metrics: Metrics, clock: Clock
) -> Database:
    """Open a database whose tables are up to date. Its writer has started.

    `recycle_s` is the age at which connections to PostgreSQL are replaced, 0 is never. Raises
    ConnectionError where it can't be reached.
    """
    try:
        return await _connect(url, readers, recycle_s, publish, metrics, clock)
    except Unusable:
        raise
    except AWAY as e:
        raise ConnectionError(f"the database can't be reached: {e}") from e


async def _connect(
    url: str, readers: int, recycle_s: float, publish: Publish, metrics: Metrics, clock: Clock
) -> Database:
    engine: PostgresEngine | SqliteEngine
    recycled: tuple[Recycled, ...] = ()  # a file has nobody who drops what is old
    epoch: str | None = None
    if is_postgres(url):
        engine = PostgresEngine(url, clock)
        await engine.open()
        epoch = engine.epoch
        reader = _reader(url, readers, clock, READ_S, Target.PRIMARY)
        engine.moved = reader.replace_all
        recycled = (engine, reader)
    else:
        engine = SqliteEngine(sqlite_path(url))
        reader = _reader(url, readers, clock, READ_S)
    writer = Writer(engine, publish, metrics, clock)
    writer.start()
    try:
        await reader.open()
        epoch = epoch or await history.read_epoch(reader) or await _new_epoch(writer, reader)
    except BaseException:
        await writer.close()
        await reader.close()
        raise
    for name, help_text, read in (
        ("readers", "Connections to read over.", lambda: reader.open_connections),
        ("readers_in_use", "Connections that are reading now.", lambda: reader.in_use),
        ("readers_waited_for", "Reads that wait for a connection.", lambda: reader.waiting),
        (
            "writer_connected",
            "Whether there is a connection to write over.",
            lambda: writer.connected,
        ),
    ):
        metrics.watch(f"warroom_database_{name}", help_text, read)
    return Database(writer, reader, Recycling(recycled, recycle_s, clock), epoch)


@asynccontextmanager
async def reading(url: str, clock: Clock) -> AsyncIterator[Reading]:
    """One read transaction on a database that is there, with no timeout for its statements.

    It changes nothing, also beside a running server. Raises ConnectionError where the database
    can't be read.
    """
    reader = _reader(url, 1, clock, None)
    try:
        await reader.open()
        async with reader.read_transaction() as held:
            yield held
    except Unusable:
        raise
    except (Unavailable, sqlite3.DatabaseError, *REFUSED) as e:
        raise ConnectionError(f"the database can't be read: {e}") from e
    finally:
        await reader.close()


def _reader(
    url: str, size: int, clock: Clock, read_s: float | None, target: Target = Target.ANY
) -> Reader:
    if not is_postgres(url):
        path = quote(str(sqlite_path(url)))  # whatever characters it has
        return Reader(f"sqlite+aiosqlite:///{path}", SqliteReadConnection, size, clock)
    # The address is read by asyncpg alone, which knows all of its forms. One more than is held is
    # there while an old one makes room.
    options = {"min_size": 0, "max_size": size + 1, "connect": partial(_connected, url, target)}
    return Reader(
        "postgresql://", partial(PostgresReadConnection, read_s=read_s), size, clock, **options
    )


async def _connected(url: str, target: Target, *_: object, **__: object) -> Any:
    """A connection for a pool of asyncpg, whatever else it says."""
    return await connect_postgres(url, READER_NAME, target)


async def _new_epoch(writer: Writer, reader: Reader) -> str:
    """Name the numbering of a new database. Another program may do so at the same moment."""
    epoch = history.new_epoch()
    work = Work(at="")
    work.change(history.SET_EPOCH, epoch=epoch)
    try:
        await writer.submit(work)
    except Stale:
        return await history.read_epoch(reader) or epoch
    return epoch
