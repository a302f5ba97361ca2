"""What a player knows: the own figures and the battle, as their rooms tell them.

A room gives a snapshot, then every event in order; each is taken into the picture. So nobody
needs to ask the server how things stand.
"""

import msgspec

from protocol.battle_events import (
    Abandoned,
    Completed,
    PlayerDown,
    PlayerJoined,
    PlayerLeft,
    PlayerRevived,
    Struck,
    WaveStarted,
)
from protocol.battles import Battle, Status
from protocol.message import Event
from protocol.players import PlayerChanged, PlayerView, StaminaChanged

OVER = (Status.COMPLETED, Status.ABANDONED)


class Oneself:
    """One's own player."""

    def __init__(self, snapshot: object) -> None:
        view = msgspec.convert(snapshot, PlayerView)
        self.player = view.player
        self.stamina = view.stamina.amount

    def take(self, event: Event) -> None:
        """Something has changed."""
        match event:
            case PlayerChanged():
                self.player = event.player
            case StaminaChanged():
                self.stamina = event.stamina.amount


class Field:
    """A battle, as far as it matters to somebody who fights in it."""

    def __init__(self, snapshot: object, player_id: str) -> None:
        battle = msgspec.convert(snapshot, Battle)
        self._player_id = player_id
        seat = battle.seats.get(player_id)
        self.battle_id = battle.battle_id
        self.name = battle.name
        self.status = battle.status
        self.enemies = {enemy.enemy_id: enemy.hp for enemy in battle.enemies}
        self.wave = battle.wave
        self.seated = seat is not None and seat.seated
        self.down = seat is not None and seat.down_at is not None
        self.reward = seat is not None and seat.reward is not None and not seat.reward.claimed

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.status in OVER

    def standing(self) -> dict[int, int]:
        """Hp of the enemies that still stand."""
        return {enemy_id: hp for enemy_id, hp in self.enemies.items() if hp > 0}

    def take(self, event: Event) -> None:
        """Something has happened."""
        match event:
            case WaveStarted():
                self.wave = event.wave
                self.enemies = {enemy.enemy_id: enemy.hp for enemy in event.enemies}
            case Struck():
                self.enemies[event.enemy_id] = event.enemy_hp
            case PlayerDown() if event.player_id == self._player_id:
                self.down = True
            case PlayerRevived() if event.player_id == self._player_id:
                self.down = False
            case PlayerJoined() if event.seat.player_id == self._player_id:
                self.seated = True
            case PlayerLeft() if event.player_id == self._player_id:
                self.seated = False
            case Completed():
                self.status = Status.COMPLETED
                self.reward = self._player_id in event.rewards
            case Abandoned():
                self.status = Status.ABANDONED
