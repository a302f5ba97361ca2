"""The command line, `warroom` and `python -m server`: one file a purpose, read when needed."""

import os
import signal
import sys

from server.runtime.streams import prepare


def main() -> None:
    """Run what the arguments say, and exit with its code."""
    prepare()
    if sys.argv[1:2] in (["run"], ["conformance"]):
        # Importing takes a while. A server that is ended meanwhile has ended, and nothing broke.
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            number = getattr(signal, name, None)
            # nohup ignores SIGHUP, and Windows has none.
            if number is not None and (
                name != "SIGHUP" or signal.getsignal(number) is not signal.SIG_IGN
            ):
                # Not sys.exit: an exception that is raised while a module of C is imported can
                # crash the interpreter. There is nothing to clean up yet.
                signal.signal(number, lambda *_: os._exit(0))

    from server.cli.entry import enter  # noqa: PLC0415 - see above

    sys.exit(enter(sys.argv[1:]))
