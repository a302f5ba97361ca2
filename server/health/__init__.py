"""Whether the server lives, is ready, is well."""

from server.domain import Built, Core, Domain
from server.health.routes import Health, closed_routes, routes
from server.health.settings import HealthSettings

__all__ = ["DOMAIN", "Health", "closed_routes", "routes"]


async def _build(core: Core) -> Built:
    health = Health(core.database, core.gateway, core.clock)
    token = core.settings.of(HealthSettings).metrics_token
    return Built(services=[health], routes=routes(health, core.metrics, token), start=health.start)


DOMAIN = Domain(name="health", build=_build, settings=HealthSettings)
"""The last one: once it has started, all have."""
