"""Users: their names, addresses, roles."""

from server.domain import Built, Core, Domain
from server.users.invariants import INVARIANTS
from server.users.rooms import UserRoom
from server.users.store import User, Users
from server.users.tables import ALL

__all__ = ["DOMAIN", "User", "UserRoom", "Users"]


async def _build(core: Core) -> Built:
    users = Users(core.database)
    return Built(
        parts=[users], rooms={"user": UserRoom(core.database.reader, users)}, prune=users.prune
    )


DOMAIN = Domain(name="users", build=_build, tables=ALL, invariants=INVARIANTS)
