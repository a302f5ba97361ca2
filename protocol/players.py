"""Players: level, gold, stamina; presence."""

from typing import Annotated, Final

import msgspec

from protocol import rooms
from protocol.errors import ErrorReason
from protocol.ids import Id
from protocol.message import KEPT, LATEST, Command, Event, Limit, Query, command, event, query
from protocol.pages import Cursor, Page, PageSize
from protocol.permissions import Permission
from protocol.rooms import Room, snapshot_of

player_room: Final = rooms.keyed(
    "player", Permission.PLAY, "The caller's player: level, gold, stamina."
)
players_room: Final = rooms.single(
    "players", Permission.CONNECT, "The numbers of registered and online players."
)
profile_room: Final = rooms.keyed("profile", Permission.CONNECT, "The public profile of a player.")

Points = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Player(msgspec.Struct, frozen=True):
    """The stored state of a player, without stamina. `exp` is a lifetime total."""

    player_id: str
    name: str
    level: int
    exp: int
    exp_to_next: int
    gold: int
    gems: int
    stat_points: int
    attack: int
    defense: int
    max_hp: int
    max_stamina: int


class Stamina(msgspec.Struct, frozen=True):
    """The stamina at the time `at`. It grows by `regen` every `interval_s`, up to `maximum`."""

    amount: int
    maximum: int
    at: str
    next_at: str | None
    regen: int
    interval_s: float


@snapshot_of("player")
class PlayerView(msgspec.Struct, frozen=True):
    """A player with stamina: reply of `players.get` and snapshot of the room `player:<id>`."""

    player: Player
    stamina: Stamina


@snapshot_of("profile")
class Profile(msgspec.Struct, frozen=True):
    """The public profile of a player: snapshot of the room `profile:<id>`.

    `online`: whether the player is connected. `battle_id`: the battle of its seat.
    """

    player_id: str
    name: str
    level: int
    online: bool
    battle_id: str | None = None


class PlayerReason(ErrorReason):
    """The reasons of missing players and resources."""

    NO_PLAYER = "no_player"
    NOT_ENOUGH_POINTS = "not_enough_points"
    EXHAUSTED = "exhausted"
    NOT_ENOUGH_GEMS = "not_enough_gems"


@query(
    "players.get",
    permission=Permission.PLAY,
    refuses=(PlayerReason.NO_PLAYER,),
)
class GetPlayer(Query[PlayerView], frozen=True):
    """The caller's player."""


@query("players.list", permission=Permission.CONNECT)
class ListPlayers(Query[Page[Profile]], frozen=True):
    """Players by level, then by exp, highest first.

    `online` leaves out players that are not connected. Players move up while a client turns pages:
    no player appears twice, and a player that rises past the current page does not appear.
    """

    online: bool = False
    limit: PageSize = 50
    cursor: Cursor | None = None


@command(
    "players.allocate",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        PlayerReason.NOT_ENOUGH_POINTS,
        PlayerReason.NO_PLAYER,
    ),
)
class Allocate(Command[PlayerView], frozen=True):
    """Spend stat points, one for one. A higher maximum of stamina refills the stamina."""

    attack: Points = 0
    defense: Points = 0
    max_stamina: Points = 0


@event("players.changed", delivery=KEPT)
class PlayerChanged(Event, frozen=True, kw_only=True):
    """The player after a change. `why` is allocate, reward, revive or level_up."""

    why: str
    player: Player

    def room(self) -> Room:
        """The player's room."""
        return player_room(self.player.player_id)


@event("players.stamina", delivery=LATEST)
class StaminaChanged(Event, frozen=True, kw_only=True):
    """Stamina was regenerated or spent."""

    player_id: Id
    stamina: Stamina

    def room(self) -> Room:
        """The player's room."""
        return player_room(self.player_id)


@event("players.profile_changed", delivery=LATEST)
class ProfileChanged(Event, frozen=True, kw_only=True):
    """A player connected, disconnected, reached a level, or took or gave up a seat."""

    profile: Profile

    def room(self) -> Room:
        """The room of the player's profile."""
        return profile_room(self.profile.player_id)


@snapshot_of("players")
@event("players.counted", delivery=LATEST)
class PlayersCounted(Event, frozen=True, kw_only=True):
    """The numbers of online and registered players, at most once a second.

    Snapshot of the room `players`.
    """

    online: int
    registered: int

    def room(self) -> Room:
        """All players."""
        return players_room()
