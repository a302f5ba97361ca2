"""`conformance`: the gateway without a game, for protocol suites and load generators."""

from server.cli.parser import Given
from server.cli.settings import in_force
from server.conformance import serve
from server.runtime import signals
from server.runtime.log import configure


async def run(given: Given) -> None:
    """Run it."""
    settings = in_force(given)
    configure(settings.least_level, settings.log_file)

    def ready(address: str) -> None:
        print(f"\n  Conformance mode is at {address}\n", flush=True)

    try:
        await serve(settings, given.echo_max_bytes, ready)
    finally:
        signals.ignore()
