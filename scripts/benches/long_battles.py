"""A server whose battles last, and whose players may strike as fast as they can.

It is assembled like the real server with other figures: enemies have hp for millions of strikes and
hit for 1, every battle is for level 1, and the rate limit of a user is counted but never reached.
"""

from typing import Final

from protocol.message import RATES
from server.battles.catalogue import TIERS, Tier
from server.battles.service import REQUIRED_LEVELS
from server.cli import main

LASTING: Final = Tier(hp=1e6, strength=0.0, reward=1.0, waves=1)


def prepare() -> None:
    """Change the figures."""
    for difficulty in TIERS:
        TIERS[difficulty] = LASTING
        REQUIRED_LEVELS[difficulty] = 1
    for limit in RATES:
        RATES[limit] = (1e6, 1_000_000)


if __name__ == "__main__":
    prepare()
    main()
