"""Opening the database: its address, its migrations, its writer, its readers."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from server.database import history
from server.database.reader import Reader
from server.database.sqlite import SqliteEngine
from server.database.work import Work
from server.database.writer import Publish, Writer
from server.runtime.gauges import Gauges

MIGRATIONS: Final = Path(__file__).parent / "migrations"
SQLITE: Final = "sqlite:///"


class Database:
    """The open database."""

    def __init__(self, writer: Writer, reader: Reader, epoch: str) -> None:
        self.writer = writer
        self.reader = reader
        self.epoch = epoch

    async def close(self) -> None:
        """Commit what is queued, then close all connections."""
        await self.writer.close()
        await self.reader.close()


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables to a revision. Does nothing where they are there already."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
            connection.commit()
    finally:
        engine.dispose()


def revision(url: str) -> str | None:
    """The revision that the tables are at."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


async def connect(url: str, *, readers: int, publish: Publish, gauges: Gauges) -> Database:
    """Open a database whose tables are up to date. Its writer has started."""
    if not url.startswith(SQLITE):
        raise ValueError("only SQLite is spoken so far")
    writer = Writer(SqliteEngine(Path(url.removeprefix(SQLITE))), publish, gauges)
    reader = Reader(url.replace("sqlite:", "sqlite+aiosqlite:", 1), readers)
    writer.start()
    try:
        await reader.open()
        epoch = await history.read_epoch(reader) or await _new_epoch(writer)
    except BaseException:
        await writer.close()
        await reader.close()
        raise
    gauges.watch(
        "warroom_database_readers_in_use",
        "Connections that are reading now.",
        lambda: reader.in_use,
    )
    return Database(writer, reader, epoch)


async def _new_epoch(writer: Writer) -> str:
    """Name the numbering of a new database."""
    epoch = history.new_epoch()
    work = Work(at="")
    work.change(history.SET_EPOCH, epoch=epoch)
    await writer.submit(work, b"", None)
    return epoch
