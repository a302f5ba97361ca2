"""The room of a person, for whoever administers."""

from protocol.errors import not_found
from protocol.message import Event
from protocol.users import user_room
from server.database import Reader
from server.database.history import bounds
from server.gateway import Identity, Snapshot
from server.users.store import Users


class UserRoom:
    """The kind of room `user:<id>`."""

    def __init__(self, reader: Reader, users: Users) -> None:
        self._reader = reader
        self._users = users

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` where there is nobody, or nobody any more."""
        if await self._users.by_id(ident) is None:
            raise not_found("user")

    async def snapshot(self, ident: str) -> Snapshot:
        """The person as they are."""
        async with self._reader.moment() as reading:
            user = await self._users.read(reading, ident)
            there = await bounds(reading, user_room(ident))
        if user is None:
            raise not_found("user")
        return Snapshot(there.newest, user.view)

    async def latest(self, ident: str) -> list[Event]:
        """Nothing: all that is told here is kept."""
        return []
