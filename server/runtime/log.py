"""Logging: events with fields, people-readable on a terminal and JSON elsewhere.

The level is that of our own events. Libraries are heard from WARNING on, whatever it is: below
that they log frames, addresses and parameters, and with them tokens and passwords.
"""

import logging
import sys
from typing import Any, Final

import structlog

from protocol.secret import MASK, TOKEN

OURS: Final = "warroom"
"""The logger above those of all components."""


def _without_tokens(_: object, __: str, line: Any) -> Any:
    """What is logged, but for whatever looks like a token of ours: nobody knows what a fault's
    words hold."""
    return TOKEN.sub(MASK, line)


def _client_is_at_fault(record: logging.LogRecord) -> bool:
    """Take the traceback off what every client can cause: a frame that is not UTF-8."""
    if record.name == "uvicorn.error" and record.exc_info is not None:
        kind, _, _ = record.exc_info
        if kind is UnicodeDecodeError:
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def configure(level: str) -> None:
    """Set up logging of the process, once, at its start."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
                _without_tokens,
            ],
        )
    )
    handler.addFilter(_client_is_at_fault)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    ours = logging.getLogger(OURS)
    ours.setLevel(level)
    root.setLevel(max(ours.level, logging.WARNING))


def logger(component: str) -> Any:
    """The log of a component."""
    return structlog.stdlib.get_logger(f"{OURS}.{component}")
