"""Players: level, gold, stamina."""

from server.players.rules import Record, Regen
from server.players.store import Players

__all__ = ["Players", "Record", "Regen"]
