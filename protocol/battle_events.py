"""Events of battles: of a battle's log, of its row in lists, and of the pool."""

from enum import StrEnum
from typing import ClassVar

import msgspec

from protocol.battles import (
    AttackKind,
    Battle,
    BattleSummary,
    ChatLine,
    Enemy,
    Reward,
    Seat,
    battle_room,
    battles_room,
    listing_room,
)
from protocol.message import KEPT, LATEST, Event, event
from protocol.rooms import Room, snapshot_of


class LeftReason(StrEnum):
    """Why a seat was given up."""

    LEFT = "left"
    DROPPED = "dropped"


class AbandonReason(StrEnum):
    """Why a battle was abandoned."""

    ALL_DOWN = "all_down"
    NOBODY_SEATED = "nobody_seated"


class BattleEvent(Event, frozen=True, kw_only=True):
    """The common fields of the events of one battle. Its log is the battle's state."""

    in_log: ClassVar[bool] = True

    battle_id: str

    def room(self) -> Room:
        """The battle's room."""
        return battle_room(self.battle_id)


@event("battles.created", delivery=KEPT)
class Created(BattleEvent, frozen=True, kw_only=True):
    """A battle was created and is waiting. It is the first event of its log."""

    battle: Battle


@event("battles.started", delivery=KEPT)
class Started(BattleEvent, frozen=True, kw_only=True):
    """The first player took a seat. The battle is in progress."""

    at: str
    next_hit_at: str


@event("battles.wave_started", delivery=KEPT)
class WaveStarted(BattleEvent, frozen=True, kw_only=True):
    """A new wave of enemies replaced the previous one."""

    wave: int
    enemies: tuple[Enemy, ...]


@event("battles.player_joined", delivery=KEPT)
class PlayerJoined(BattleEvent, frozen=True, kw_only=True):
    """A player took a seat, or took it again after giving it up."""

    seat: Seat
    at: str


@event("battles.player_away", delivery=KEPT)
class PlayerAway(BattleEvent, frozen=True, kw_only=True):
    """A player disconnected. The seat is kept for a grace time."""

    player_id: str
    at: str


@event("battles.player_returned", delivery=KEPT)
class PlayerReturned(BattleEvent, frozen=True, kw_only=True):
    """A disconnected player reconnected."""

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
    """An enemy was defeated."""

    enemy_id: int
    player_id: str


class Hit(msgspec.Struct, frozen=True):
    """One attack of an enemy on a player. `hp` is what remains."""

    enemy_id: int
    player_id: str
    damage: int
    hp: int


@event("battles.enemies_struck", delivery=KEPT)
class EnemiesStruck(BattleEvent, frozen=True, kw_only=True):
    """Every living enemy struck one of the three players with the most damage."""

    hits: tuple[Hit, ...]
    next_hit_at: str


@event("battles.player_down", delivery=KEPT)
class PlayerDown(BattleEvent, frozen=True, kw_only=True):
    """A player's hp fell to 0. The player can't attack until revived."""

    player_id: str
    at: str


@event("battles.player_revived", delivery=KEPT)
class PlayerRevived(BattleEvent, frozen=True, kw_only=True):
    """A player was revived, with full hp."""

    player_id: str
    hp: int


@event("battles.chat_said", delivery=KEPT)
class ChatSaid(BattleEvent, frozen=True, kw_only=True):
    """A line of chat. Show it as text, never as HTML."""

    line: ChatLine


@event("battles.completed", delivery=KEPT)
class Completed(BattleEvent, frozen=True, kw_only=True):
    """The last wave was defeated. `rewards` are the claimable rewards by player."""

    rewards: dict[str, Reward]
    at: str


@event("battles.abandoned", delivery=KEPT)
class Abandoned(BattleEvent, frozen=True, kw_only=True):
    """The battle ended without victory."""

    reason: AbandonReason
    at: str


@event("battles.reward_claimed", delivery=KEPT)
class RewardClaimed(BattleEvent, frozen=True, kw_only=True):
    """A participant claimed the reward."""

    player_id: str
    gold: int
    exp: int


@event("battles.listed", delivery=KEPT)
class Listed(Event, frozen=True, kw_only=True):
    """The row of a battle in lists changed. It replaces the previous one.

    Attacks do not change it. The last one has the final status of the battle.
    """

    battle: BattleSummary

    def room(self) -> Room:
        """The room of the battle's row."""
        return listing_room(self.battle.battle_id)


@snapshot_of("battles")
@event("battles.counted", delivery=LATEST)
class BattlesCounted(Event, frozen=True, kw_only=True):
    """The numbers of waiting and running battles, at most once a second. Snapshot of `battles`.

    `newest_id` is the newest of these battles. When it changes, the first page of `battles.list`
    has changed too.
    """

    waiting: int
    in_progress: int
    newest_id: str | None = None

    def room(self) -> Room:
        """The room of the pool."""
        return battles_room()
