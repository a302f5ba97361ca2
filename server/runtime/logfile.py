"""Where lines of the log go. A place that can't be written to never ends what is logged about."""

import contextlib
import logging
import logging.handlers
import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, cast


class Stderr(logging.StreamHandler[TextIO]):
    """Lines on stderr."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a line is missing. logging itself would print all that stands in it, and with
        that what we mask."""
        kind = sys.exc_info()[0]
        missing = f"{record.name}: a line could not be logged: {kind and kind.__name__}\n"
        with contextlib.suppress(OSError, ValueError):  # nobody is there to read it
            self.stream.write(missing)


class LogFile(logging.handlers.WatchedFileHandler):
    """Lines in a file that only its owner reads, made anew where it was moved away.

    `failed` is called with the fault when it can't be written to, and not again before it could.
    """

    def __init__(self, path: Path, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._lost = False
        self._failing = False
        super().__init__(path, encoding="utf-8")

    def _open(self) -> TextIOWrapper:
        opened: Any = open(  # noqa: SIM115 - it stays open
            self.baseFilename,
            self.mode,
            encoding=self.encoding,
            opener=lambda path, flags: os.open(path, flags, 0o600),
        )
        return cast(TextIOWrapper, opened)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line. Never raises."""
        self._lost = False
        try:
            super().emit(record)
        except OSError:  # its folder is gone
            self.handleError(record)
        self._failing = self._lost

    def handleError(self, record: logging.LogRecord) -> None:
        """A line is lost."""
        self._lost = True
        error = sys.exc_info()[1]
        if not self._failing and isinstance(error, Exception):
            self._failing = True  # what `failed` logs comes here too
            self._failed(error)
        self._lost = True
