"""`python -m server`."""

import signal
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        # Importing takes a while. Who ends the server meanwhile has ended it, and nothing broke.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: sys.exit(0))

    from server.cli import main

    main()
