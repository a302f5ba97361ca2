"""Whether the server lives, is ready, is well."""

from server.health.routes import Health, State, routes

__all__ = ["Health", "State", "routes"]
