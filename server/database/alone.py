"""One server on a SQLite database: a second one would not hear what the first one's clients do."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from server.database.url import is_postgres, sqlite_path


@contextmanager
def alone(url: str) -> Iterator[None]:
    """Be the only server on a database, until this ends or the process does.

    Programs that are no server may use it meanwhile. PostgreSQL is not looked at. Raises
    ValueError where another server runs on it, OSError where its folder can't be used.
    """
    if is_postgres(url) or sys.platform == "win32":
        yield
        return
    import fcntl  # noqa: PLC0415 - Windows has none

    database = sqlite_path(url)
    # The file stays: who takes it away takes it from under whoever has just opened it.
    descriptor = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            first = os.read(descriptor, 20).decode(errors="replace").strip()
            raise ValueError(f"another server runs on {database}: process {first}") from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)
