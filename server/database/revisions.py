"""Migrations: bringing the tables to a revision, and saying at which they are."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from server.database.connect_postgres import AWAY, Target, Unusable, connect_postgres
from server.database.failures import cause, words
from server.database.instance_lock import instance_lock
from server.database.url import is_postgres, sqlite_path

T = TypeVar("T")

MIGRATIONS: Final = Path(__file__).parent / "migrations"
NAME: Final = "warroom migration"
_SERVERS: Final = (
    "select count(*) from pg_stat_activity where datname = current_database()"
    " and application_name like 'warroom writer %'"
)
LOCK: Final = 7_217_001  # any number, as long as it is always the same
"""The advisory lock of those that change the tables of a PostgreSQL database."""


class Revision(NamedTuple):
    """One step in the history of the tables."""

    revision: str
    doc: str
    current: bool


def migrate(url: str, to: str = "head") -> None:
    """Bring the tables to a revision, up or down. Does nothing where they are there already.

    Blocks. Raises ValueError for a revision that is not known, and where the tables would change
    under a running server; ConnectionError where the database can't be reached.
    """
    if with_connection(url, lambda connection: _target(connection, to).reached):
        return
    with instance_lock(url):
        with_connection(url, lambda connection: _migrate(connection, to), Target.WRITES)


def revision(url: str) -> str | None:
    """The revision that the tables are at. Blocks. Raises as `migrate` does."""
    return with_connection(url, _current)


def known_revisions() -> list[str]:
    """The names of all revisions that this version knows, the newest first."""
    return [s.revision for s in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]


def revisions(url: str) -> list[Revision]:
    """All revisions, the newest first. Blocks. Raises as `migrate` does."""
    current = revision(url)
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return [Revision(s.revision, s.doc.strip(), s.revision == current) for s in scripts]


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


class _Target(NamedTuple):
    """Where the tables are, and where they are to be."""

    current: str | None
    revision: str
    down: bool

    @property
    def reached(self) -> bool:
        """Whether there is nothing to do."""
        return self.current == self.revision


def _target(connection: Connection, to: str) -> _Target:
    """Raises ValueError for a revision that is not known."""
    scripts = ScriptDirectory(str(MIGRATIONS))
    known = [script.revision for script in scripts.walk_revisions()]
    current = _current(connection)
    if current is not None and current not in known:
        raise ValueError(f"the tables are at {current}, which this version does not know")
    try:
        target = scripts.get_revision(to or "base")
    except CommandError as e:
        raise ValueError(str(e)) from e
    if target is None:
        raise ValueError(f"{to!r} would delete all tables")
    down = current is not None and known.index(target.revision) > known.index(current)
    return _Target(current, target.revision, down)


def _migrate(connection: Connection, to: str) -> None:
    """All or nothing: one transaction, whatever the migrations do in it."""
    if connection.dialect.name == "postgresql":
        # Servers that start side by side: one migrates, the others wait.
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    else:
        # Now, as only one does it: of two programs that switch at once, one finds it locked.
        connection.exec_driver_sql("pragma journal_mode = wal")
        connection.exec_driver_sql("begin immediate")
    target = _target(connection, to)
    if target.reached:
        return
    if connection.dialect.name == "postgresql" and connection.execute(text(_SERVERS)).scalar_one():
        raise ValueError(
            f"a server runs on the database, whose tables are at {target.current}: stop it first"
        )
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        (command.downgrade if target.down else command.upgrade)(config, target.revision)
    except CommandError as e:
        raise ValueError(str(e)) from e
    connection.commit()


def with_connection(url: str, call: Callable[[Connection], T], target: Target = Target.ANY) -> T:
    """What a call gives, done over a connection of its own. Blocks. Raises ConnectionError."""
    if is_postgres(url):
        return asyncio.run(_with_postgres(url, call, target))
    engine = create_engine(
        URL.create("sqlite", database=str(sqlite_path(url))),  # whatever characters the path has
        poolclass=NullPool,
        # Else the driver commits before each statement that changes tables.
        connect_args={"isolation_level": None},
    )
    path = sqlite_path(url)
    try:
        connection = engine.connect()
        # A table that is copied and dropped takes no rows with it that point to it.
        connection.exec_driver_sql("pragma foreign_keys = off")
        connection.exec_driver_sql("pragma schema_version")  # not before that the file is read
    except DBAPIError as e:
        raise ConnectionError(
            f"the database {path} can't be opened: {words(e)}{cause(path)}"
        ) from e
    try:
        with connection:
            return call(connection)
    except DBAPIError as e:
        raise ConnectionError(f"the database {path} can't be used: {words(e)}{cause(path)}") from e


async def _with_postgres(url: str, call: Callable[[Connection], T], target: Target) -> T:
    async def open_one() -> Any:
        try:
            return await connect_postgres(url, NAME, target)
        except asyncpg.PostgresError as e:  # such as: no such database
            raise ConnectionError(str(e)) from e

    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=open_one, poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(call)
    except Unusable:
        raise
    except AWAY as e:
        raise ConnectionError(f"the database can't be reached: {e}") from e
    except DBAPIError as e:
        # SQLAlchemy wraps what asyncpg raises once a statement was sent.
        if e.orig is None or not isinstance(e.orig.__cause__, AWAY):
            raise
        raise ConnectionError(f"the database went away: {e.orig}") from e
    finally:
        await engine.dispose()
