"""Battles: live and cooperative. The server computes results; a client only sends its actions."""

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from protocol import rooms
from protocol.errors import Code, ErrorReason
from protocol.ids import Id
from protocol.message import Command, Done, Limit, Query, command, query
from protocol.pages import Cursor, Page, PageSize
from protocol.permissions import Permission
from protocol.players import PlayerReason
from protocol.rooms import snapshot_of
from protocol.text import shown_line

battles_room: Final = rooms.single("battles", Permission.PLAY, "The number of open battles.")
listing_room: Final = rooms.keyed("listing", Permission.PLAY, "One battle as one row of a list.")
battle_room: Final = rooms.keyed(
    "battle", Permission.PLAY, "One battle: attacks, waves, chat, rewards."
)

EnemyId = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Unique within its battle.")]
ChatText = Annotated[str, shown_line(200, "A line of chat")]


class Difficulty(StrEnum):
    """The difficulty: multiplies enemies and rewards."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"
    EPIC = "epic"
    LEGENDARY = "legendary"


class Status(StrEnum):
    """The status of a battle."""

    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


class AttackKind(StrEnum):
    """The kind of an attack: its stamina cost and its damage factor."""

    QUICK = "quick"
    NORMAL = "normal"
    POWER = "power"
    CRITICAL = "critical"
    ULTIMATE = "ultimate"


class EnemyType(StrEnum):
    """The type of an enemy."""

    GOBLIN = "goblin"
    ORC = "orc"
    TROLL = "troll"
    LIZARDMAN = "lizardman"
    DEMON = "demon"
    DRAGON = "dragon"
    UNDEAD = "undead"


class SeatedElsewhere(msgspec.Struct, frozen=True):
    """`details` of `seated_elsewhere`: the battle of the player's seat."""

    battle_id: str


class BattleReason(ErrorReason):
    """The reasons of seats, attacks and rewards."""

    NOT_SEATED = "not_seated"
    SEATED_ELSEWHERE = "seated_elsewhere", Code.REFUSED, SeatedElsewhere
    FULL = "full"
    OVER = "over"
    NOT_OVER = "not_over"
    LEVEL_TOO_LOW = "level_too_low"
    ENEMY_DEFEATED = "enemy_defeated"
    DOWN = "down"
    NOT_DOWN = "not_down"
    NO_REWARD = "no_reward"
    ALREADY_CLAIMED = "already_claimed"


class Enemy(msgspec.Struct, frozen=True):
    """An enemy. It is defeated at 0 hp."""

    enemy_id: int
    type: EnemyType
    level: int
    hp: int
    max_hp: int
    attack: int
    defense: int


class Reward(msgspec.Struct, frozen=True):
    """The reward of a participant. It can be claimed once."""

    gold: int
    exp: int
    claimed: bool = False


class Seat(msgspec.Struct, frozen=True):
    """A participant. `attack` and `defense` are totals with equipment, fixed while seated.

    `seated` is false after the seat was given up; the row stays for its damage and reward.
    `away_at` is the time of the disconnect. `down_at` is the time when hp fell to 0.
    """

    player_id: str
    name: str
    level: int
    attack: int
    defense: int
    hp: int
    max_hp: int
    damage: int = 0
    seated: bool = True
    away_at: str | None = None
    down_at: str | None = None
    reward: Reward | None = None


class ChatLine(msgspec.Struct, frozen=True):
    """A line of chat."""

    player_id: str
    name: str
    text: str
    at: str


@snapshot_of("battle")
class Battle(msgspec.Struct, frozen=True):
    """A complete battle: snapshot of its room. `seq` is that of its last event.

    `chat` has the last 50 lines. Enemies strike next at `next_hit_at`. `empty_since` is the time
    since which no player is seated, `all_down_since` since which all seated players are down.
    """

    battle_id: str
    name: str
    difficulty: Difficulty
    required_level: int
    max_players: int
    waves: int
    status: Status
    created_at: str
    seq: int = 0
    wave: int = 0
    enemies: tuple[Enemy, ...] = ()
    seats: dict[str, Seat] = {}
    chat: tuple[ChatLine, ...] = ()
    started_at: str | None = None
    ended_at: str | None = None
    next_hit_at: str | None = None
    empty_since: str | None = None
    all_down_since: str | None = None


@snapshot_of("listing")
class BattleSummary(msgspec.Struct, frozen=True):
    """A battle as one row of a list: snapshot of the room `listing:<id>`."""

    battle_id: str
    name: str
    difficulty: Difficulty
    required_level: int
    players: int
    max_players: int
    wave: int
    waves: int
    status: Status
    created_at: str


class HistoryEntry(msgspec.Struct, frozen=True):
    """One past battle of a player."""

    battle_id: str
    name: str
    difficulty: Difficulty
    status: Status
    damage: int
    ended_at: str
    reward: Reward | None = None


class Strike(msgspec.Struct, frozen=True):
    """The result of an attack, and the remaining stamina."""

    damage: int
    critical: bool
    enemy_hp: int
    stamina: int


class Claimed(msgspec.Struct, frozen=True):
    """The claimed amounts, and the new totals."""

    gold: int
    exp: int
    total_gold: int
    level: int


class Seated(msgspec.Struct, frozen=True):
    """The player's seat, and the `seq` of the last event that it includes."""

    seat: Seat
    seq: int


@query("battles.list", permission=Permission.PLAY)
class ListBattles(Query[Page[BattleSummary]], frozen=True):
    """Battles with a status, newest first. The default is waiting and in progress.

    To follow changes of the visible rows, join their rooms `listing:<id>`.
    """

    status: Status | None = None
    limit: PageSize = 50
    cursor: Cursor | None = None


@query("battles.get", permission=Permission.PLAY)
class GetBattle(Query[Battle], frozen=True):
    """One complete battle, also after its end."""

    battle_id: Id


@query("battles.history", permission=Permission.PLAY)
class ListHistory(Query[Page[HistoryEntry]], frozen=True):
    """The caller's own past battles, newest first."""

    limit: PageSize = 50
    cursor: Cursor | None = None


@command(
    "battles.join",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        BattleReason.SEATED_ELSEWHERE,
        BattleReason.FULL,
        BattleReason.OVER,
        BattleReason.LEVEL_TOO_LOW,
        PlayerReason.NO_PLAYER,
    ),
)
class Join(Command[Seated], frozen=True):
    """Take a seat. The first seat starts the battle. Joining again returns to the same seat."""

    battle_id: Id


@command(
    "battles.leave",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        BattleReason.NOT_SEATED,
        BattleReason.OVER,
    ),
)
class Leave(Command[Done], frozen=True):
    """Give up the seat. The damage dealt so far keeps its share of the reward."""

    battle_id: Id


@command(
    "battles.attack",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        BattleReason.NOT_SEATED,
        BattleReason.DOWN,
        BattleReason.OVER,
        PlayerReason.EXHAUSTED,
        BattleReason.ENEMY_DEFEATED,
        PlayerReason.NO_PLAYER,
    ),
)
class Attack(Command[Strike], frozen=True):
    """Strike an enemy once. The stamina cost depends on `kind`."""

    battle_id: Id
    enemy_id: EnemyId
    kind: AttackKind = AttackKind.NORMAL


@command(
    "battles.revive",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        BattleReason.NOT_SEATED,
        BattleReason.NOT_DOWN,
        BattleReason.OVER,
        PlayerReason.NOT_ENOUGH_GEMS,
        PlayerReason.NO_PLAYER,
    ),
)
class Revive(Command[Done], frozen=True):
    """Revive the caller's player for 50 gems. The server revives it after 15 minutes."""

    battle_id: Id


@command(
    "battles.chat",
    permission=Permission.PLAY,
    limit=Limit.CHAT,
    refuses=(BattleReason.NOT_SEATED,),
)
class Say(Command[Done], frozen=True):
    """Write a line to the chat of the battle."""

    battle_id: Id
    text: ChatText


@command(
    "battles.claim",
    permission=Permission.PLAY,
    limit=Limit.ACTION,
    refuses=(
        BattleReason.NOT_OVER,
        BattleReason.NO_REWARD,
        BattleReason.ALREADY_CLAIMED,
        PlayerReason.NO_PLAYER,
    ),
)
class Claim(Command[Claimed], frozen=True):
    """Claim the caller's reward, once."""

    battle_id: Id
