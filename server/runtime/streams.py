"""Standard input, output and error: they are always open, and what they can't take ends nothing.

It imports little: it is called before anything opens a file.
"""

import contextlib
import io
import os
import sys
from typing import Final, TextIO

_NAMES: Final = ("stdin", "stdout", "stderr")


class Output(io.TextIOWrapper):
    """Standard output that keeps the error of a write, so that it is told apart from others."""

    failed: OSError | None = None

    def write(self, text: str) -> int:
        """Write. Raises OSError."""
        try:
            return super().write(text)
        except OSError as e:
            self.failed = e
            raise

    def flush(self) -> None:
        """Write what was not written yet. Raises OSError."""
        try:
            super().flush()
        except OSError as e:
            self.failed = e
            raise


def prepare() -> None:
    """Have all three open, and standard output one that keeps its error. Once, at the start."""
    _open_closed()
    before = sys.stdout
    if isinstance(before, io.TextIOWrapper):
        encoding, errors = before.encoding, before.errors
        lines, through = before.line_buffering, before.write_through
        sys.stdout = sys.__stdout__ = Output(  # type: ignore[misc]
            before.detach(),
            encoding=encoding,
            errors=errors,
            line_buffering=lines,
            write_through=through,
        )


def _open_closed() -> None:
    """Open /dev/null in the place of each of the three that is closed.

    Otherwise the next socket would get its number, and what is printed would go into a connection.
    libuv aborts then. Source: https://github.com/libuv/libuv, uv__close: "fd > STDERR_FILENO".
    """
    for number, name in enumerate(_NAMES):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # POSIX gives the lowest number that is free: this one
            os.set_inheritable(number, True)
        if getattr(sys, name) is None:
            opened = open(  # noqa: SIM115 - it stays open
                number, "w" if number else "r", encoding="utf-8", closefd=False
            )
            setattr(sys, name, opened)
            setattr(sys, f"__{name}__", opened)


def say(text: str) -> OSError | None:
    """Print for an operator who may be there. Never raises: returns why it was not printed."""
    try:
        print(text, flush=True)
    except OSError as e:
        discard(sys.stdout)
        if isinstance(sys.stdout, Output):
            sys.stdout.failed = None  # whatever runs goes on, and ends as if it was printed
        return e
    return None


def complain(text: str) -> None:
    """Print on standard error. Never raises."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def flush() -> OSError | None:
    """Write what was printed and is not written yet. Never raises: returns why some was not.

    Afterwards nothing is left that Python would fail to write once more at its end.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            discard(stream)
    return getattr(sys.stdout, "failed", None)


def discard(stream: TextIO) -> None:
    """Send what was printed on a stream, and what will be, to /dev/null."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    with contextlib.suppress(OSError):
        stream.flush()
