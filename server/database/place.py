"""The files of a SQLite database that is open: whether their names still lead to them.

A file that was removed, or that another was put in the place of, can be written to as before, and
all of it is gone when it is closed.
Source: https://www.sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file while in
use".
"""

from pathlib import Path

from server.database.alone import LOCK
from server.database.url import beside
from server.runtime.services import Ended

Identity = tuple[int, int]


class Gone(Ended):
    """The database that was opened is no longer where it was: what is committed would be lost."""


class Place:
    """The files that were at the path of a database when it was opened."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where one of them is not there."""
        real = path.resolve()
        self._log, shared, _ = beside(real)  # both are there as long as one program has it open
        # Also by the path that was given: a link may be redirected.
        names = [path, real, self._log, shared]
        # Without the lock another server could start beside this one.
        if (lock := real.with_name(real.name + LOCK)).exists():
            names.append(lock)
        self._opened = [(name, _identity(name)[0]) for name in dict.fromkeys(names)]
        self._log_size = 0

    def check(self) -> None:
        """Raises Gone where one of them is not there any more, or was cut short.

        Takes a few microseconds.
        """
        for name, opened in self._opened:
            # Before the file is looked at: the thread that commits looks too, and has seen more.
            least = self._log_size
            try:
                found, size = _identity(name)
            except FileNotFoundError:
                raise Gone(f"{name} was removed while the server ran on it") from None
            except OSError as e:
                raise Gone(f"{name} can't be seen any more: {e.strerror}") from e
            if found != opened:
                raise Gone(f"{name} was replaced while the server ran on it")
            if name == self._log:
                # SQLite writes it over from its beginning, and never makes it shorter.
                if size < least:
                    raise Gone(f"{name} was cut short while the server ran on it")
                self._log_size = size


def _identity(name: Path) -> tuple[Identity, int]:
    """What a file is, and its size in bytes."""
    found = name.stat()
    return (found.st_dev, found.st_ino), found.st_size
