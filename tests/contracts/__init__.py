"""What tests know of each domain, written by hand: one file a domain, composed here.

It is not read from `protocol`: what changes there by mistake is to be noticed here. A new domain
adds a file with its CONTRACT.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from tests.contracts.contract import Body, Contract, Needs, RoomNeeds

K = TypeVar("K")
V = TypeVar("V")

CONTRACTS: Final[dict[str, Contract]] = {
    name: importlib.import_module(f"{__name__}.{name}").CONTRACT
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
    if name != "contract"
}
"""By domain."""


def _united(parts: Iterable[Mapping[K, V]]) -> dict[K, V]:
    """All of them together. Raises ValueError where two domains speak of the same."""
    found: dict[K, V] = {}
    for part in parts:
        if twice := found.keys() & part.keys():
            raise ValueError(f"two contracts speak of {', '.join(sorted(map(str, twice)))}")
        found |= part
    return found


MESSAGES: Final[dict[str, Needs]] = _united(c.messages for c in CONTRACTS.values())
ROOMS: Final[dict[str, RoomNeeds]] = _united(c.rooms for c in CONTRACTS.values())
BODIES: Final[dict[str, Body]] = _united(c.bodies for c in CONTRACTS.values())
UNAUDITED: Final[dict[str, str]] = _united(c.unaudited for c in CONTRACTS.values())
ROUTES_REFUSED: Final = _united(c.routes_refused for c in CONTRACTS.values())
VIEWS: Final = _united(c.views for c in CONTRACTS.values())
ACTS: Final = [act for c in CONTRACTS.values() for act in c.acts]
TICKS: Final = [c.tick for c in CONTRACTS.values() if c.tick is not None]
ASKED_WITH: Final = {text for c in CONTRACTS.values() for text in c.asked_with}
SHOWN: Final = {name for c in CONTRACTS.values() for name in c.shown}
