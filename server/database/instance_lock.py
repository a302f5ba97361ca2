"""The lock that keeps a second server off a SQLite database.

A second one would not hear what clients of the first do. The lock is of the database that is
meant, whatever links lead to it. Programs that only read or write rows may use the database beside
a server; those that change its tables or replace it take the lock as a server does.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from server.database.url import is_postgres, sqlite_path

LOCK: Final = ".lock"
"""What the name of a database's lock ends with."""
WAIT_S: Final = 30.0
"""How long a program waits for another that changes the tables. A server is not waited for."""
_AGAIN_S: Final = 0.05

_held: Final[set[Path]] = set()
"""The databases that this process has locked."""


@contextmanager
def instance_lock(url: str, *, server: bool = False) -> Iterator[None]:
    """Lock a database for one server, or for one program that changes its tables, until this ends
    or the process does.

    Within a process that has the lock already, nothing is done. PostgreSQL is not looked at.
    Blocks while another program has the lock. Raises ValueError where a server has it, OSError
    where the folder can't be used.
    """
    if is_postgres(url) or sys.platform == "win32":
        yield
        return
    database = sqlite_path(url).resolve()
    if database in _held:
        yield
        return
    if database.is_file() and database.stat().st_nlink > 1:
        # By another name it would have another lock and another write-ahead log.
        raise ValueError(f"{database} has a second name (a hard link): remove one of the two")
    # The file stays: removing it would remove it from under a program that has just opened it.
    descriptor = os.open(f"{database}{LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, database)
        os.ftruncate(descriptor, 0)
        if server:
            with contextlib.suppress(OSError):  # a full disk: the lock holds without a name in it
                os.write(descriptor, f"{os.getpid()}\n".encode())
        _held.add(database)
        yield
    finally:
        _held.discard(database)
        os.close(descriptor)


def _lock(descriptor: int, database: Path) -> None:
    """Take the lock. A server has written its process id into the file; other programs leave it
    empty, and are waited for."""
    import fcntl  # noqa: PLC0415 - Windows has none

    until = time.monotonic() + WAIT_S
    before = ""
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            server = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            # Twice the same: at first it may be of a server that has ended, and be emptied now.
            if server and server == before:
                raise ValueError(f"a server runs on {database}: process {server}") from None
            if time.monotonic() > until:
                raise ValueError(f"another program changes the tables of {database}") from None
            before = server
            time.sleep(_AGAIN_S)
        else:
            return
