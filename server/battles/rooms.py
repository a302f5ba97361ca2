"""The rooms of battles: the pool, the line of each battle, and each battle."""

from protocol.battles import battles_room, listing_room
from server.battles.store import Battles
from server.database import Reader
from server.gateway import CounterRoom, LogRoom, RoomProvider, Rooms, Snapshot, StateRoom
from server.runtime.clock import Clock


def counter(battles: Battles, rooms: Rooms, clock: Clock) -> CounterRoom:
    """The room `battles`: how many are open, not which."""
    return CounterRoom(rooms, clock, battles_room(), battles.pool.counted)


def providers(reader: Reader, battles: Battles, count: CounterRoom) -> dict[str, RoomProvider]:
    """The kinds of rooms, by their words."""

    async def read(battle_id: str) -> Snapshot:
        battle = (await battles.get(battle_id)).committed.battle
        return Snapshot(battle.seq, battle)

    known = battles.pool.__contains__
    return {
        "battles": count,
        "listing": StateRoom(reader, listing_room, "battle", battles.line, known=known),
        "battle": LogRoom(read),
    }
