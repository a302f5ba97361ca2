"""Whether the server lives, is ready, is well."""

from server.health.routes import Health, routes

__all__ = ["Health", "routes"]
