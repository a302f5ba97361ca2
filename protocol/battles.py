"""Battles: live and co-operative. The server rolls and decides; a client only says what it does."""

from enum import StrEnum
from typing import Annotated, ClassVar

import msgspec

from protocol import rooms
from protocol.ids import Id
from protocol.message import KEPT, Command, Done, Event, Limit, Query, command, event, query
from protocol.permissions import Permission
from protocol.rooms import Room

EnemyId = Annotated[int, msgspec.Meta(ge=1, le=1000, description="Unique within its battle.")]
ChatText = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]+$(?!\n)",
        description="One line of text.",
    ),
]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=200)]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


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


class BattleReason(StrEnum):
    """Reasons for `refused` here."""

    NOT_SEATED = "not_seated"
    SEATED_ELSEWHERE = "seated_elsewhere"
    FULL = "full"
    OVER = "over"
    NOT_OVER = "not_over"
    LEVEL_TOO_LOW = "level_too_low"
    ENEMY_DEFEATED = "enemy_defeated"
    DOWN = "down"
    NOT_DOWN = "not_down"
    NO_REWARD = "no_reward"
    ALREADY_CLAIMED = "already_claimed"


class LeftReason(StrEnum):
    """Why a seat was given up."""

    LEFT = "left"
    DROPPED = "dropped"


class AbandonReason(StrEnum):
    """Why a battle was abandoned."""

    ALL_DOWN = "all_down"
    NOBODY_SEATED = "nobody_seated"


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


class BattleSummary(msgspec.Struct, frozen=True):
    """A battle in one line."""

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


class Pool(msgspec.Struct, frozen=True):
    """Snapshot of the room `battles`: those that wait and those under way, oldest first."""

    battles: tuple[BattleSummary, ...]


class BattlePage(msgspec.Struct, frozen=True):
    """One page of battles, newest first; `next` is the cursor of the page after it."""

    items: tuple[BattleSummary, ...]
    next: str | None = None


class HistoryEntry(msgspec.Struct, frozen=True):
    """One battle that a player took part in."""

    battle_id: str
    name: str
    difficulty: Difficulty
    status: Status
    damage: int
    ended_at: str
    reward: Reward | None = None


class HistoryPage(msgspec.Struct, frozen=True):
    """One page of a player's battles, newest first."""

    items: tuple[HistoryEntry, ...]
    next: str | None = None


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
class ListBattles(Query[BattlePage], frozen=True):
    """Battles of a status, newest first."""

    status: Status = Status.WAITING
    limit: PageSize = 50
    cursor: Cursor | None = None


@query("battles.get", permission=Permission.PLAY)
class GetBattle(Query[Battle], frozen=True):
    """One battle in whole, also when it is over."""

    battle_id: Id


@query("battles.history", permission=Permission.PLAY)
class ListHistory(Query[HistoryPage], frozen=True):
    """One's own past battles, newest first."""

    limit: PageSize = 50
    cursor: Cursor | None = None


@command("battles.join", permission=Permission.PLAY, limit=Limit.ACTION)
class Join(Command[Seated], frozen=True):
    """Take a seat; the first one starts the battle. Joining again returns to one's seat.

    Refused: seated_elsewhere, full, over, level_too_low.
    """

    battle_id: Id


@command("battles.leave", permission=Permission.PLAY, limit=Limit.ACTION)
class Leave(Command[Done], frozen=True):
    """Give up one's seat. Damage dealt keeps its share of the reward. Refused: not_seated, over."""

    battle_id: Id


@command("battles.attack", permission=Permission.PLAY, limit=Limit.ACTION)
class Attack(Command[Strike], frozen=True):
    """Strike an enemy once. Costs the stamina of its kind.

    Refused: not_seated, down, over, exhausted, enemy_defeated.
    """

    battle_id: Id
    enemy_id: EnemyId
    kind: AttackKind = AttackKind.NORMAL


@command("battles.revive", permission=Permission.PLAY, limit=Limit.ACTION)
class Revive(Command[Done], frozen=True):
    """Get up again for 50 gems. Without gems it happens after 15 minutes.

    Refused: not_seated, not_down, over, not_enough_gems.
    """

    battle_id: Id


@command("battles.chat", permission=Permission.PLAY, limit=Limit.CHAT)
class Say(Command[Done], frozen=True):
    """Say a line to the battle. Refused: not_seated."""

    battle_id: Id
    text: ChatText


@command("battles.claim", permission=Permission.PLAY, limit=Limit.ACTION)
class Claim(Command[Claimed], frozen=True):
    """Take one's reward, once. Refused: not_over, no_reward, already_claimed."""

    battle_id: Id


class BattleEvent(Event, frozen=True, kw_only=True):
    """What all events of one battle have. The log of these is the battle."""

    in_log: ClassVar[bool] = True

    battle_id: str

    def room(self) -> Room:
        """The battle's own."""
        return rooms.battle(self.battle_id)


@event("battles.created", delivery=KEPT)
class Created(BattleEvent, frozen=True, kw_only=True):
    """The battle is there and waits. The first event of its log."""

    battle: Battle


@event("battles.started", delivery=KEPT)
class Started(BattleEvent, frozen=True, kw_only=True):
    """The first player took a seat."""

    at: str
    next_hit_at: str


@event("battles.wave_started", delivery=KEPT)
class WaveStarted(BattleEvent, frozen=True, kw_only=True):
    """New enemies stand there; those before are gone."""

    wave: int
    enemies: tuple[Enemy, ...]


@event("battles.player_joined", delivery=KEPT)
class PlayerJoined(BattleEvent, frozen=True, kw_only=True):
    """A seat was taken, or taken again after it was given up."""

    seat: Seat
    at: str


@event("battles.player_away", delivery=KEPT)
class PlayerAway(BattleEvent, frozen=True, kw_only=True):
    """A player's connection is gone; the seat is kept for a grace time."""

    player_id: str
    at: str


@event("battles.player_returned", delivery=KEPT)
class PlayerReturned(BattleEvent, frozen=True, kw_only=True):
    """A player whose connection was gone is back."""

    player_id: str


@event("battles.player_left", delivery=KEPT)
class PlayerLeft(BattleEvent, frozen=True, kw_only=True):
    """A seat was given up."""

    player_id: str
    reason: LeftReason
    at: str


@event("battles.struck", delivery=KEPT)
class Struck(BattleEvent, frozen=True, kw_only=True):
    """A player struck an enemy."""

    player_id: str
    enemy_id: int
    kind: AttackKind
    damage: int
    critical: bool
    enemy_hp: int
    stamina: int


@event("battles.enemy_defeated", delivery=KEPT)
class EnemyDefeated(BattleEvent, frozen=True, kw_only=True):
    """An enemy fell."""

    enemy_id: int
    player_id: str


class Hit(msgspec.Struct, frozen=True):
    """One enemy's blow on one player."""

    enemy_id: int
    player_id: str
    damage: int
    hp: int


@event("battles.enemies_struck", delivery=KEPT)
class EnemiesStruck(BattleEvent, frozen=True, kw_only=True):
    """Every living enemy hit one of the three players who dealt most. `hp` is what is left."""

    hits: tuple[Hit, ...]
    next_hit_at: str


@event("battles.player_down", delivery=KEPT)
class PlayerDown(BattleEvent, frozen=True, kw_only=True):
    """A player's hp fell to 0: no attacks until revived."""

    player_id: str
    at: str


@event("battles.player_revived", delivery=KEPT)
class PlayerRevived(BattleEvent, frozen=True, kw_only=True):
    """A player is up again, with full hp."""

    player_id: str
    hp: int


@event("battles.chat_said", delivery=KEPT)
class ChatSaid(BattleEvent, frozen=True, kw_only=True):
    """A line of chat. It is text: show it as text."""

    line: ChatLine


@event("battles.completed", delivery=KEPT)
class Completed(BattleEvent, frozen=True, kw_only=True):
    """The last wave fell. Rewards by player, to be claimed."""

    rewards: dict[str, Reward]
    at: str


@event("battles.abandoned", delivery=KEPT)
class Abandoned(BattleEvent, frozen=True, kw_only=True):
    """The battle ended without a victory."""

    reason: AbandonReason
    at: str


@event("battles.reward_claimed", delivery=KEPT)
class RewardClaimed(BattleEvent, frozen=True, kw_only=True):
    """A participant took the reward."""

    player_id: str
    gold: int
    exp: int


@event("battles.offered", delivery=KEPT)
class Offered(Event, frozen=True, kw_only=True):
    """A battle in the pool is new or has changed: it stands in the place of what was there."""

    battle: BattleSummary

    def room(self) -> Room:
        """The pool."""
        return rooms.battles()


@event("battles.closed", delivery=KEPT)
class Closed(Event, frozen=True, kw_only=True):
    """A battle is over and leaves the pool."""

    battle_id: Id
    status: Status

    def room(self) -> Room:
        """The pool."""
        return rooms.battles()
