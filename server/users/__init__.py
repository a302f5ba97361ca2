"""Users: their names, addresses, roles."""

from server.domain import Built, Core, Domain
from server.users.invariants import INVARIANTS
from server.users.rooms import providers
from server.users.store import User, Users
from server.users.tables import ALL

__all__ = ["DOMAIN", "User", "Users"]


async def _build(core: Core) -> Built:
    users = Users(core.database)
    rooms = providers(core.database.reader, users)
    return Built(services=[users], rooms=rooms, prune=users.prune)


DOMAIN = Domain(name="users", build=_build, tables=ALL, invariants=INVARIANTS)
