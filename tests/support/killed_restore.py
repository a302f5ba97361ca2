"""Restores that are killed at a line of the sources, one after the other.

`python -m tests.support.killed_restore FILE DATA_DIR`: for each number and address of a database on
standard input a restore over that is begun, and killed before so many different lines of SOURCES
are carried out. For each it prints at which line; for one that came to its end, how many it has.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Final

import server.app  # noqa: F401 - read now, not in each child
from server.cli import archive, backup
from server.config import Settings
from server.database import backup as database_backup
from server.database import dumps
from server.runtime import files
from server.runtime.interrupt import Interrupt

SOURCES: Final = {module.__file__ for module in (archive, backup, database_backup, dumps, files)}


def kill_at(number: int, said: int) -> set[tuple[str, int]]:
    """Kill this process before a line; all lines that it has carried out before count once.

    Gives those."""
    seen: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if frame.f_code.co_filename not in SOURCES:
            return None
        if event == "line":
            seen.add((frame.f_code.co_filename, frame.f_lineno))
            if len(seen) == number:
                os.write(said, f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}".encode())
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    return seen


def restore(file: Path, data_dir: Path, number: int, url: str) -> str:
    """In a child of its own. Returns where it was killed, or how many lines it has."""
    where, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(where)
        settings = Settings(data_dir=data_dir, database_url=url)
        seen = kill_at(number, said)
        code = 1
        try:
            backup._restore(settings, file, Interrupt(), True)
            os.write(said, str(len(seen)).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(said)
    with os.fdopen(where) as words:
        line = words.read()
    _, status = os.waitpid(child, 0)
    assert line, f"the restore failed: {status}"
    assert os.WIFSIGNALED(status) != line.isdecimal()
    return line


if __name__ == "__main__":
    for wanted in sys.stdin:
        number, url = wanted.split()
        print(restore(Path(sys.argv[1]), Path(sys.argv[2]), int(number), url), flush=True)
