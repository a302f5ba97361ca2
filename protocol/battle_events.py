"""What happens in battles: the events of a battle's log, of its line, and of the pool."""

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
    """What all events of one battle have. The log of these is the battle."""

    in_log: ClassVar[bool] = True

    battle_id: str

    def room(self) -> Room:
        """The battle's own."""
        return battle_room(self.battle_id)


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


@event("battles.listed", delivery=KEPT)
class Listed(Event, frozen=True, kw_only=True):
    """A battle's line has changed: it stands in the place of the one before.

    Blows do not change it. The last one says how the battle ended.
    """

    battle: BattleSummary

    def room(self) -> Room:
        """The battle's line."""
        return listing_room(self.battle.battle_id)


@snapshot_of("battles")
@event("battles.counted", delivery=LATEST)
class BattlesCounted(Event, frozen=True, kw_only=True):
    """How many battles wait and are under way; at most once a second. Snapshot of `battles`.

    `newest_id`: the newest of them all. Where it is another one, the first page of
    `battles.list` is another one too.
    """

    waiting: int
    in_progress: int
    newest_id: str | None = None

    def room(self) -> Room:
        """The pool."""
        return battles_room()
