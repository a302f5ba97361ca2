"""Logging: events with fields, people-readable on a terminal and JSON elsewhere.

The levels are those of our own events, of all components or of single ones. Libraries are heard
from WARNING on, whatever they are: below that they log frames, addresses and parameters, and with
them tokens and passwords.
"""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import structlog

from protocol.secret import MASK, TOKEN
from protocol.times import rfc3339
from server.runtime.correlation import CORRELATION_ID, written
from server.runtime.logfile import LogFile, Stderr

OURS: Final = "warroom"
"""The logger above those of all components."""

LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")

_FIRST: Final = ("timestamp", "level", "component", "event")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]|[\ud800-\udfff]")

_components: Final[set[str]] = set()


class Levels(NamedTuple):
    """The least level that is logged, and that of components that have one of their own."""

    all: str
    of: dict[str, str]


def parse(text: str) -> Levels:
    """Levels as they are written: `INFO`, or `INFO,gateway=DEBUG`. Raises ValueError."""
    first, *more = (word.strip() for word in text.split(","))
    of = {}
    for word in more:
        component, equals, level = word.partition("=")
        if not component or not equals:
            raise ValueError
        of[component] = level
    if not {first, *of.values()} <= set(LEVELS):
        raise ValueError
    return Levels(first, of)


def _with_origin(_: object, __: str, line: Any) -> Any:
    """Say what set it off."""
    ident = CORRELATION_ID.get()
    if ident is not None:
        line.setdefault("origin", written(ident))
        if not isinstance(ident, str):
            line.setdefault("connection", ident[0])
    return line


def _with_component(log: Any, _: str, line: Any) -> Any:
    """Say which part of the server, or which library, it is from."""
    record = line.get("_record")
    name: str = log.name if record is None else record.name
    line["component"] = name.removeprefix(f"{OURS}.")
    return line


def _with_time(_: object, __: str, line: Any) -> Any:
    """Say when, as messages do. What a library logs comes here once for each place it goes to."""
    record = line.get("_record")
    seconds = time.time() if record is None else record.created
    line["timestamp"] = rfc3339(int(seconds * 1000))
    return line


def _in_order(_: object, __: str, line: Any) -> Any:
    """What every line has comes first."""
    return {name: line[name] for name in _FIRST if name in line} | line


def _without_tokens(_: object, __: str, line: Any) -> Any:
    """What is logged, but for whatever looks like a token of ours: nobody knows what a fault's
    words hold."""
    return TOKEN.sub(MASK, line)


def _without_control(_: object, __: str, line: Any) -> Any:
    """No words of a client's move the cursor of whoever reads, or colour what is not ours."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
    return line


def _client_is_at_fault(record: logging.LogRecord) -> bool:
    """Take the traceback off what every client can cause: a frame that is not UTF-8."""
    if record.name == "uvicorn.error" and record.exc_info is not None:
        kind, _, _ = record.exc_info
        if kind is UnicodeDecodeError:
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def _json(line: Any, default: Callable[[Any], Any]) -> str:
    """A line as JSON. orjson takes a tenth of the time of Python's own encoder, and not all of what
    that takes: a lone surrogate, as a library may log one."""
    try:
        return orjson.dumps(line, default=default, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:
        return json.dumps(line, default=default)


_SHARED: Final[list[Any]] = [
    _with_origin,
    _with_component,
    structlog.stdlib.add_log_level,
    _with_time,
    structlog.processors.format_exc_info,
]
"""What is done to every line, whoever logs it."""


def configure(levels: str, file: Path | None = None) -> None:
    """Set up logging of the process, once, at its start: to stderr, and to a file as JSON lines.

    Raises ValueError for a component that there is not, OSError where the file can't be opened.
    """
    found = parse(levels)
    if unknown := sorted(found.of.keys() - _components):
        there = ", ".join(sorted(_components))
        raise ValueError(f"LOG_LEVEL: nothing is called {unknown[0]!r}; there are {there}")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    as_json: list[Any] = [_in_order, structlog.processors.JSONRenderer(_json)]
    terminal = [
        _without_control,
        structlog.dev.ConsoleRenderer(
            colors=not os.environ.get("NO_COLOR"),
            # Others would show the variables of every frame, and with them secrets.
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]
    handlers = [_shown(Stderr(sys.stderr), terminal if sys.stderr.isatty() else as_json)]
    if file is not None:
        handlers.append(_shown(LogFile(file, _file_failed), as_json))
    root = logging.getLogger()
    root.handlers[:] = handlers
    ours = logging.getLogger(OURS)
    ours.setLevel(found.all)
    for component in _components:
        logging.getLogger(f"{OURS}.{component}").setLevel(found.of.get(component, found.all))
    root.setLevel(max(ours.level, logging.WARNING))


def _shown(handler: logging.Handler, rendering: list[Any]) -> logging.Handler:
    """A handler that writes lines in a way."""
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendering,
                _without_tokens,
            ],
        )
    )
    handler.addFilter(_client_is_at_fault)
    return handler


def logger(component: str) -> Any:
    """The log of a component."""
    _components.add(component)
    return structlog.stdlib.get_logger(f"{OURS}.{component}")


def debugging(component: str) -> Callable[[], bool]:
    """Whether a component logs at DEBUG. To ask costs a tenth of a line that is not logged: for
    what is done for every message."""
    return partial(logging.getLogger(f"{OURS}.{component}").isEnabledFor, logging.DEBUG)


def _file_failed(error: Exception) -> None:
    log.error("log_file_failed", error=f"{type(error).__name__}: {error}")


log = logger("log")
