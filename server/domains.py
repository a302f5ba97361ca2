"""All domains, in the order in which they are built; only this file lists them.

It is beside `app.py`, and not in it, because `config.py` needs the list too: it loads the settings
of all domains, and has no use for the rest of the composition root.
"""

from typing import Final

from server import audit, auth, battles, connections, health, players, users
from server.database import HISTORY

DOMAINS: Final = (
    audit.DOMAIN,
    users.DOMAIN,
    auth.DOMAIN,
    players.DOMAIN,
    battles.DOMAIN,
    connections.DOMAIN,
    health.DOMAIN,
)
"""Each comes after those that it uses."""

INVARIANTS: Final = (
    *HISTORY,
    *(invariant for domain in DOMAINS for invariant in domain.invariants),
)
"""What must always be true of the stored data: `warroom verify` checks it."""
