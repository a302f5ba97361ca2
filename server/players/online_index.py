"""Players who are online, in the order of lists: a page costs the same however many there are."""

from bisect import bisect_left, insort
from typing import NamedTuple


class Place(NamedTuple):
    """A place in the order of players, which lists begin at the end of."""

    level: int
    exp: int
    player_id: str


class Standing(NamedTuple):
    """A player's place, and the name that goes with it. Compares as its place does."""

    level: int
    exp: int
    player_id: str
    name: str


class OnlineIndex:
    """The players who are online, by id and in order."""

    def __init__(self) -> None:
        self._by_id: dict[str, Standing] = {}
        self._ordered: list[Standing] = []

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, player_id: str) -> bool:
        return player_id in self._by_id

    def get(self, player_id: str) -> Standing | None:
        """The standing of a player who is online."""
        return self._by_id.get(player_id)

    def put(self, standing: Standing) -> None:
        """A player is online, or has another place now."""
        self.drop(standing.player_id)
        self._by_id[standing.player_id] = standing
        insort(self._ordered, standing)

    def drop(self, player_id: str) -> None:
        """A player is not online."""
        standing = self._by_id.pop(player_id, None)
        if standing is not None:
            del self._ordered[bisect_left(self._ordered, standing)]

    def below(self, place: Place, count: int) -> list[Standing]:
        """Up to `count` players who come after a place, the highest first."""
        end = bisect_left(self._ordered, place)
        return self._ordered[max(0, end - count) : end][::-1]
