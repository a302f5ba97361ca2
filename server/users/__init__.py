"""People: their names, addresses, roles."""

from server.users.rooms import UserRoom
from server.users.store import User, Users

__all__ = ["User", "UserRoom", "Users"]
