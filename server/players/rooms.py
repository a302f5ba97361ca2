"""The rooms of players: one's own, and those that anybody may look into."""

from protocol.players import PlayerView, StaminaChanged, player_room
from server.database import Reader, Reading
from server.gateway import RoomProvider, StateRoom, own
from server.players.player_count import PlayerCount
from server.players.profiles import Profiles
from server.players.store import Players
from server.runtime.clock import Clock


def providers(
    reader: Reader, players: Players, profiles: Profiles, count: PlayerCount, clock: Clock
) -> dict[str, RoomProvider]:
    """The kinds of rooms, by their words."""

    async def read(reading: Reading, player_id: str) -> PlayerView | None:
        record = await players.read(reading, player_id)
        return None if record is None else players.view(record, clock.now_ms())

    def stamina(player_id: str, view: PlayerView) -> list[StaminaChanged]:
        return [StaminaChanged(player_id=player_id, stamina=view.stamina)]

    return {
        "player": StateRoom(reader, player_room, "room", read, authorise=own, latest=stamina),
        "players": count.room,
        "profile": profiles.rows,
    }
