"""Players: level, gold, stamina; who is here."""

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
    "player", Permission.PLAY, "One's own player: level, gold, stamina."
)
players_room: Final = rooms.single(
    "players", Permission.CONNECT, "How many players there are, and are here."
)
profile_room: Final = rooms.keyed(
    "profile", Permission.CONNECT, "What everybody may know of a player."
)

Points = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Player(msgspec.Struct, frozen=True):
    """What is kept of a player, but for stamina. `exp` is a lifetime total."""

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
    """Stamina as it was at a moment. It grows by `regen` every `interval_s`, up to `maximum`."""

    amount: int
    maximum: int
    at: str
    next_at: str | None
    regen: int
    interval_s: float


@snapshot_of("player")
class PlayerView(msgspec.Struct, frozen=True):
    """Reply of players.get and snapshot of a player's room."""

    player: Player
    stamina: Stamina


@snapshot_of("profile")
class Profile(msgspec.Struct, frozen=True):
    """What everybody may know of a player: snapshot of the room `profile:<id>`.

    `online`: whether the player is connected. `battle_id`: where it has a seat.
    """

    player_id: str
    name: str
    level: int
    online: bool
    battle_id: str | None = None


class PlayerReason(ErrorReason):
    """What a player has, and whether there is one."""

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
    """One's own player."""


@query("players.list", permission=Permission.CONNECT)
class ListPlayers(Query[Page[Profile]], frozen=True):
    """Players, the highest level first, among equals whoever has more exp.

    With `online` only those who are here. Players move up while pages are turned: nobody comes
    twice, and who passes the page that one is at is not met any more.
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
    """Spend stat points, one for one. Raising max stamina refills it."""

    attack: Points = 0
    defense: Points = 0
    max_stamina: Points = 0


@event("players.changed", delivery=KEPT)
class PlayerChanged(Event, frozen=True, kw_only=True):
    """The player as it is now. `why` is allocate, reward, revive or level_up."""

    why: str
    player: Player

    def room(self) -> Room:
        """The player's own."""
        return player_room(self.player.player_id)


@event("players.stamina", delivery=LATEST)
class StaminaChanged(Event, frozen=True, kw_only=True):
    """Stamina has grown, or was spent."""

    player_id: Id
    stamina: Stamina

    def room(self) -> Room:
        """The player's own."""
        return player_room(self.player_id)


@event("players.profile_changed", delivery=LATEST)
class ProfileChanged(Event, frozen=True, kw_only=True):
    """A player has come or gone, reached a level, taken a seat or given it up."""

    profile: Profile

    def room(self) -> Room:
        """The player's profile."""
        return profile_room(self.profile.player_id)


@snapshot_of("players")
@event("players.counted", delivery=LATEST)
class PlayersCounted(Event, frozen=True, kw_only=True):
    """How many players are here, and how many there are; at most once a second.

    Snapshot of the room `players`.
    """

    online: int
    registered: int

    def room(self) -> Room:
        """All players."""
        return players_room()
