"""All domains, in the order in which they are built; only this file lists them.

It is beside `app.py`, and not in it, because `config.py` needs the list too: it loads the settings
of all domains, and has no use for the rest of the composition root.
"""

from typing import Final

import server.audit
import server.auth
import server.battles
import server.connections
import server.health
import server.players
import server.users
from server.database import HISTORY

DOMAINS: Final = (
    server.audit.DOMAIN,
    server.users.DOMAIN,
    server.auth.DOMAIN,
    server.players.DOMAIN,
    server.battles.DOMAIN,
    server.connections.DOMAIN,
    server.health.DOMAIN,
)
"""Each comes after those that it uses."""

INVARIANTS: Final = (
    *HISTORY,
    *(invariant for domain in DOMAINS for invariant in domain.invariants),
)
"""What must always be true of the stored data: `warroom verify` checks it."""
