"""Whether the server lives, is ready, is well."""

from server.health.routes import Health, closed_routes, routes

__all__ = ["Health", "closed_routes", "routes"]
