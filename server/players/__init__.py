"""Players: level, gold, stamina; who is here."""

from server.players.profiles import Profiles
from server.players.rules import (
    CLOCKS_DIFFER_MS,
    Record,
    Regen,
    fighting_attack,
    fighting_defense,
    gain,
    paid,
    refreshed,
    spend_gems,
    spend_stamina,
)
from server.players.store import Players

__all__ = [
    "CLOCKS_DIFFER_MS",
    "Players",
    "Profiles",
    "Record",
    "Regen",
    "fighting_attack",
    "fighting_defense",
    "gain",
    "paid",
    "refreshed",
    "spend_gems",
    "spend_stamina",
]
