"""People: their names, addresses, roles."""

from server.users.store import User, Users

__all__ = ["User", "Users"]
