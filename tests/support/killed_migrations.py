"""Migrations that are killed before each of their statements, one after the other.

A program: it forks for each, as importing takes longer than migrating. Prints a line of JSON: how
often it was killed, and after which statements something had changed. All of them, on a database
that is given: `python -m tests.support.killed_migrations sqlite:////tmp/warroom.db head`.
"""

import json
import os
import signal
import sys
from typing import Any

from sqlalchemy import Engine, event

from server.database import migrate
from server.database.revisions import revision, with_connection


def _die_at(number: int) -> None:
    """End this process by kill -9 in the place of a statement, or of the commit, of SQLAlchemy."""
    seen = 0

    def statement(*_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen > number:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", statement)


def _killed(url: str, to: str, number: int) -> bool:
    """Migrate in a process that is killed at a statement. Returns whether it came that far."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _die_at(number)
            migrate(url, to)
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return True
    if os.WEXITSTATUS(status):
        raise RuntimeError(f"at statement {number} the migration failed")
    return False


def _stored(url: str) -> list[str]:
    """The revision, and the names of all tables, to see what a kill has left."""

    def read(connection: Any) -> list[str]:
        if connection.dialect.name == "postgresql":
            query = "select tablename from pg_tables where schemaname = 'public'"
        else:
            query = "select name || coalesce(sql, '') from sqlite_schema"
        found = sorted(row[0] for row in connection.exec_driver_sql(query))
        if any("alembic_version" in name for name in found):
            version = connection.exec_driver_sql("select version_num from alembic_version")
            found += [row[0] for row in version]
        return found

    return with_connection(url, read)


def main(url: str, to: str, first: str = "0", every: str = "1") -> None:
    """Kill at each statement, or at some of them, until one migration comes to its end."""
    before = _stored(url)
    number, killed, changed = int(first), 0, []
    while _killed(url, to, number):
        if _stored(url) != before:
            changed.append(number)
        killed += 1
        number += int(every)
    print(json.dumps({"killed": killed, "changed": changed, "revision": revision(url)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
