"""The command line, `warroom` and `python -m server`: one file a purpose, read when needed."""

import signal
import sys


def main() -> None:
    """Run what the arguments say, and exit with its code."""
    if sys.argv[1:2] == ["run"]:
        # Importing takes a while. Who ends the server meanwhile has ended it, and nothing broke.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))

    from server.cli.entry import enter  # noqa: PLC0415 - see above

    sys.exit(enter(sys.argv[1:]))
