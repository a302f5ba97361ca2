"""A server that ends by kill -9 at a step of its start: before a statement, or before a change of a
file in its data folder. Arguments: the number of the step, and then those of the server."""

import itertools
import os
import signal
import sqlite3
import sys
from typing import Any

import asyncpg

from server.cli import main

FILES = {"open", "os.rename", "os.remove", "os.link", "os.mkdir", "fcntl.flock", "socket.bind"}
"""Source: the table of audit events in Python's documentation."""

last = int(sys.argv.pop(1))
folder = os.environ["DATA_DIR"]
steps = itertools.count()


def step() -> None:
    """One more."""
    if next(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    """A step, where it is of the data folder, or locks or listens."""
    if event in FILES and (event != "open" or str(arguments[0]).startswith(folder)):
        step()


class Connection(sqlite3.Connection):
    """Each statement is a step."""

    def execute(self, *arguments: Any) -> Any:
        """Execute it."""
        step()
        return super().execute(*arguments)

    def cursor(self, *arguments: Any) -> Any:
        """What SQLAlchemy executes over, one for each statement."""
        step()
        return super().cursor(*arguments)

    def commit(self) -> None:
        """Commit."""
        step()
        super().commit()


def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
    """A connection to SQLite that counts."""
    step()
    opened: sqlite3.Connection = opens(*arguments, **{"factory": Connection, **named})
    return opened


opens = sqlite3.connect
sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment, attr-defined]

for name in ("execute", "fetch", "fetchrow"):
    real = getattr(asyncpg.Connection, name)

    async def counted(*arguments: Any, _real: Any = real, **named: Any) -> Any:
        """A statement of PostgreSQL."""
        step()
        return await _real(*arguments, **named)

    setattr(asyncpg.Connection, name, counted)

sys.addaudithook(audit)
main()
