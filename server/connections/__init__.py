"""Connections: who is at the other end of each, as operators see them."""

from server.connections.rooms import ConnectionsRoom
from server.connections.service import Counting

__all__ = ["ConnectionsRoom", "Counting"]
