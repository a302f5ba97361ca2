"""`conformance`: the gateway without a game, for protocol suites and load generators."""

from dataclasses import replace
from typing import Any, Final

from server.cli.parser import Given
from server.cli.settings import loaded
from server.config import Source
from server.conformance import serve
from server.runtime import signals
from server.runtime.log import configure
from server.runtime.streams import say

DEFAULTS: Final[dict[str, Any]] = {
    "ping_interval_ms": 300,
    "ping_timeout_ms": 200,
    "connect_timeout_ms": 1000,
    "max_message_bytes": 1_000_000,
    "max_connections_per_address": 1_000_000,
    "max_connections_per_user": 1_000_000,
}
"""What the official suites and load generators expect of a server, in the place of the defaults of
`run`."""


async def run(given: Given) -> None:
    """Run it."""
    settings, sources = loaded(given)
    ours = {name: value for name, value in DEFAULTS.items() if sources[name] is Source.DEFAULT}
    settings = replace(settings, **ours)
    configure(settings.least_level, settings.log_file)

    def ready(address: str) -> None:
        say(f"\n  Conformance mode is at {address}\n")

    try:
        await serve(settings, given.echo_max_bytes, ready)
    finally:
        signals.ignore()
