"""`scripts/demo`."""

import signal
import sys

if __name__ == "__main__":
    # Importing takes a while. Who ends the demo meanwhile has ended it, and nothing broke.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    from scripts.demo_players.demo import main

    main()
