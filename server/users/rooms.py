"""The rooms of users, for those who administer."""

from protocol.users import UserView, user_room
from server.database import Reader, Reading
from server.gateway import RoomProvider, StateRoom
from server.users.store import Users


def providers(reader: Reader, users: Users) -> dict[str, RoomProvider]:
    """The kinds of rooms, by their words."""

    async def read(reading: Reading, ident: str) -> UserView | None:
        user = await users.read(reading, ident)
        return None if user is None else user.view

    return {"user": StateRoom(reader, user_room, "user", read)}
