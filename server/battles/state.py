"""The state of a battle from its events: the one place where it changes.

An event says all that is needed, moments included, so that the same log gives the same state
anywhere and at any time.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec.structs import replace

from protocol.battle_events import (
    Abandoned,
    BattleEvent,
    ChatSaid,
    Completed,
    Created,
    EnemiesStruck,
    EnemyDefeated,
    PlayerAway,
    PlayerDown,
    PlayerJoined,
    PlayerLeft,
    PlayerReturned,
    PlayerRevived,
    RewardClaimed,
    Started,
    Struck,
    WaveStarted,
)
from protocol.battles import Battle, BattleSummary, HistoryEntry, Seat, Status
from protocol.message import Kind, specs
from server.battles.catalogue import CHAT_LINES

ENDED: Final = (Status.COMPLETED, Status.ABANDONED)

QUIET: Final = frozenset({Struck, EnemyDefeated, ChatSaid})
"""Events that change nothing but the battle itself: neither its line, nor anybody's seat or reward,
nor when time changes it next. They are most of all events."""

Seats = dict[str, Seat]
Changes = dict[str, Any]


def apply(battle: Battle, event: BattleEvent) -> Battle:
    """The battle after one more event, `seq` raised by 1. The old one stays as it was.

    Raises TypeError for an event that is not in a battle's log, and KeyError for one that names
    a player who never took a seat.
    """
    change = _CHANGES.get(type(event))
    if change is None:
        raise TypeError(f"{type(event).__name__} is no event of a battle's log")
    return replace(battle, seq=battle.seq + 1, **change(battle, event))


def fold(battle: Battle, events: Iterable[BattleEvent]) -> Battle:
    """The battle after all of the events, in their order."""
    for event in events:
        battle = apply(battle, event)
    return battle


def is_over(battle: Battle) -> bool:
    """Whether it was won or abandoned."""
    return battle.status in ENDED


def seated(battle: Battle) -> list[Seat]:
    """The seats that are taken, also of players who are away or down."""
    return [seat for seat in battle.seats.values() if seat.seated]


def summary(battle: Battle) -> BattleSummary:
    """The battle in one line."""
    return BattleSummary(
        battle_id=battle.battle_id,
        name=battle.name,
        difficulty=battle.difficulty,
        required_level=battle.required_level,
        players=len(seated(battle)),
        max_players=battle.max_players,
        wave=battle.wave,
        waves=battle.waves,
        status=battle.status,
        created_at=battle.created_at,
    )


def history_entry(battle: Battle, player_id: str) -> HistoryEntry:
    """What a battle that is over came to for a player."""
    seat = battle.seats[player_id]
    assert battle.ended_at is not None
    return HistoryEntry(
        battle_id=battle.battle_id,
        name=battle.name,
        difficulty=battle.difficulty,
        status=battle.status,
        damage=seat.damage,
        ended_at=battle.ended_at,
        reward=seat.reward,
    )


def _created(_: Battle, event: Created) -> Changes:
    changes = {name: getattr(event.battle, name) for name in Battle.__struct_fields__}
    del changes["seq"]
    return changes


def _started(_: Battle, event: Started) -> Changes:
    return {
        "status": Status.IN_PROGRESS,
        "started_at": event.at,
        "next_hit_at": event.next_hit_at,
    }


def _wave_started(_: Battle, event: WaveStarted) -> Changes:
    return {"wave": event.wave, "enemies": event.enemies}


def _player_joined(battle: Battle, event: PlayerJoined) -> Changes:
    seats = {**battle.seats, event.seat.player_id: event.seat}
    return {"seats": seats, **_since(battle, seats, event.at)}


def _player_away(battle: Battle, event: PlayerAway) -> Changes:
    return {"seats": _with_seat(battle, event.player_id, away_at=event.at)}


def _player_returned(battle: Battle, event: PlayerReturned) -> Changes:
    return {"seats": _with_seat(battle, event.player_id, away_at=None)}


def _player_left(battle: Battle, event: PlayerLeft) -> Changes:
    seats = _with_seat(battle, event.player_id, seated=False, away_at=None)
    return {"seats": seats, **_since(battle, seats, event.at)}


def _struck(battle: Battle, event: Struck) -> Changes:
    struck = event.enemy_id
    enemies = [
        replace(enemy, hp=event.enemy_hp) if enemy.enemy_id == struck else enemy
        for enemy in battle.enemies
    ]
    seats = battle.seats.copy()
    seat = seats[event.player_id]
    seats[event.player_id] = replace(seat, damage=seat.damage + event.damage)
    return {"enemies": tuple(enemies), "seats": seats}


def _enemy_defeated(_: Battle, __: EnemyDefeated) -> Changes:
    return {}  # the blow before it took the last hp


def _enemies_struck(battle: Battle, event: EnemiesStruck) -> Changes:
    seats = dict(battle.seats)
    for hit in event.hits:
        seats[hit.player_id] = replace(seats[hit.player_id], hp=hit.hp)
    return {"seats": seats, "next_hit_at": event.next_hit_at}


def _player_down(battle: Battle, event: PlayerDown) -> Changes:
    seats = _with_seat(battle, event.player_id, hp=0, down_at=event.at)
    return {"seats": seats, **_since(battle, seats, event.at)}


def _player_revived(battle: Battle, event: PlayerRevived) -> Changes:
    seats = _with_seat(battle, event.player_id, hp=event.hp, down_at=None)
    return {"seats": seats, "all_down_since": None}


def _chat_said(battle: Battle, event: ChatSaid) -> Changes:
    return {"chat": (*battle.chat, event.line)[-CHAT_LINES:]}


def _completed(battle: Battle, event: Completed) -> Changes:
    seats = {
        player_id: replace(seat, reward=event.rewards.get(player_id))
        for player_id, seat in battle.seats.items()
    }
    return {"seats": seats, **_ended(Status.COMPLETED, event.at)}


def _abandoned(_: Battle, event: Abandoned) -> Changes:
    return _ended(Status.ABANDONED, event.at)


def _reward_claimed(battle: Battle, event: RewardClaimed) -> Changes:
    reward = battle.seats[event.player_id].reward
    claimed = None if reward is None else replace(reward, claimed=True)
    return {"seats": _with_seat(battle, event.player_id, reward=claimed)}


def _ended(status: Status, at: str) -> Changes:
    return {
        "status": status,
        "ended_at": at,
        "next_hit_at": None,
        "empty_since": None,
        "all_down_since": None,
    }


def _with_seat(battle: Battle, player_id: str, **changes: Any) -> Seats:
    seats = dict(battle.seats)
    seats[player_id] = replace(seats[player_id], **changes)
    return seats


def _since(battle: Battle, seats: Seats, at: str) -> Changes:
    """Since when nobody is seated, or all who are seated are down: `at` where it begins now."""
    taken = [seat for seat in seats.values() if seat.seated]
    all_down = bool(taken) and all(seat.down_at is not None for seat in taken)
    return {
        "empty_since": None if taken else battle.empty_since or at,
        "all_down_since": battle.all_down_since or at if all_down else None,
    }


_CHANGES: Final[dict[type[BattleEvent], Callable[[Battle, Any], Changes]]] = {
    Created: _created,
    Started: _started,
    WaveStarted: _wave_started,
    PlayerJoined: _player_joined,
    PlayerAway: _player_away,
    PlayerReturned: _player_returned,
    PlayerLeft: _player_left,
    Struck: _struck,
    EnemyDefeated: _enemy_defeated,
    EnemiesStruck: _enemies_struck,
    PlayerDown: _player_down,
    PlayerRevived: _player_revived,
    ChatSaid: _chat_said,
    Completed: _completed,
    Abandoned: _abandoned,
    RewardClaimed: _reward_claimed,
}


def _check_complete() -> None:
    """Raises TypeError where an event of battles' logs could be written and not be read again."""
    known = [spec.type for spec in specs(Kind.EVENT) if issubclass(spec.type, BattleEvent)]
    if unknown := [event.__name__ for event in known if event not in _CHANGES]:
        raise TypeError(f"_CHANGES says nothing of {', '.join(unknown)}")


_check_complete()
