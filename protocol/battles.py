"""Battles: live and co-operative. The server rolls and decides; a client only says what it does."""

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

battles_room: Final = rooms.single("battles", Permission.PLAY, "How many battles are open.")
listing_room: Final = rooms.keyed(
    "listing", Permission.PLAY, "One battle in one line, as lists show it."
)
battle_room: Final = rooms.keyed(
    "battle", Permission.PLAY, "One battle: blows, waves, chat, rewards."
)

EnemyId = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Unique within its battle.")]
ChatText = Annotated[str, shown_line(200, "What is said")]


class Difficulty(StrEnum):
    """How hard: multiplies enemies and rewards."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"
    EPIC = "epic"
    LEGENDARY = "legendary"


class Status(StrEnum):
    """Where a battle stands."""

    WAITING = "waiting"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    ABANDONED = "abandoned"


class AttackKind(StrEnum):
    """How to strike: what it costs in stamina and what it is worth."""

    QUICK = "quick"
    NORMAL = "normal"
    POWER = "power"
    CRITICAL = "critical"
    ULTIMATE = "ultimate"


class EnemyType(StrEnum):
    """What an enemy is."""

    GOBLIN = "goblin"
    ORC = "orc"
    TROLL = "troll"
    LIZARDMAN = "lizardman"
    DEMON = "demon"
    DRAGON = "dragon"
    UNDEAD = "undead"


class SeatedElsewhere(msgspec.Struct, frozen=True):
    """`details` of `seated_elsewhere`: the battle in which the player has a seat."""

    battle_id: str


class BattleReason(ErrorReason):
    """Seats, blows and rewards of a battle."""

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
    """An enemy. At 0 hp it is defeated."""

    enemy_id: int
    type: EnemyType
    level: int
    hp: int
    max_hp: int
    attack: int
    defense: int


class Reward(msgspec.Struct, frozen=True):
    """What a participant gets, once."""

    gold: int
    exp: int
    claimed: bool = False


class Seat(msgspec.Struct, frozen=True):
    """A participant. `attack` and `defense` are totals with equipment, fixed while seated.

    `seated` is false once the seat was given up; the row stays for its damage and reward.
    `away_at`: the moment the connection was lost. `down_at`: the moment hp fell to 0.
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
    """Something a player said."""

    player_id: str
    name: str
    text: str
    at: str


@snapshot_of("battle")
class Battle(msgspec.Struct, frozen=True):
    """A battle in whole: snapshot of its room. `seq` numbers its last event.

    `chat` holds the last 50 lines. `next_hit_at`: when enemies strike next.
    `empty_since`, `all_down_since`: since when nobody is seated, or all who are are down.
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
    """A battle in one line, as lists show it: snapshot of the room `listing:<id>`."""

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
    """One battle that a player took part in."""

    battle_id: str
    name: str
    difficulty: Difficulty
    status: Status
    damage: int
    ended_at: str
    reward: Reward | None = None


class Strike(msgspec.Struct, frozen=True):
    """What a blow did, and the stamina that is left."""

    damage: int
    critical: bool
    enemy_hp: int
    stamina: int


class Claimed(msgspec.Struct, frozen=True):
    """What was added, and what one has now."""

    gold: int
    exp: int
    total_gold: int
    level: int


class Seated(msgspec.Struct, frozen=True):
    """One's seat, and the number of the battle's last event that it takes in."""

    seat: Seat
    seq: int


@query("battles.list", permission=Permission.PLAY)
class ListBattles(Query[Page[BattleSummary]], frozen=True):
    """Battles of a status, newest first; without one, those that wait and those under way.

    To see how lines change, join the rooms `listing:<id>` of those that are shown.
    """

    status: Status | None = None
    limit: PageSize = 50
    cursor: Cursor | None = None


@query("battles.get", permission=Permission.PLAY)
class GetBattle(Query[Battle], frozen=True):
    """One battle in whole, also when it is over."""

    battle_id: Id


@query("battles.history", permission=Permission.PLAY)
class ListHistory(Query[Page[HistoryEntry]], frozen=True):
    """One's own past battles, newest first."""

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
    """Take a seat; the first one starts the battle. Joining again returns to one's seat."""

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
    """Give up one's seat. Damage dealt keeps its share of the reward."""

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
    """Strike an enemy once. Costs the stamina of its kind."""

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
    """Get up again for 50 gems. Without gems it happens after 15 minutes."""

    battle_id: Id


@command(
    "battles.chat",
    permission=Permission.PLAY,
    limit=Limit.CHAT,
    refuses=(BattleReason.NOT_SEATED,),
)
class Say(Command[Done], frozen=True):
    """Say a line to the battle."""

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
    """Take one's reward, once."""

    battle_id: Id
