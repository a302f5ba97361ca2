"""Logging: events with fields, people-readable on a terminal and JSON elsewhere."""

import logging
import sys
from typing import Any

import structlog


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
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These say at INFO what the gateway's own events say better.
    for noisy in ("engineio", "socketio", "databases", "aiosqlite", "alembic", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def logger(component: str) -> Any:
    """The log of a component."""
    return structlog.stdlib.get_logger(component)
