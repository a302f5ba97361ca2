"""Rooms as a client keeps them: a snapshot and events, in plain JSON, as PROTOCOL.md says it.

The law: an old snapshot and the events after it are what a new snapshot is. Each kind of room
that has kept events has its fold here; the page's are in server/dashboard/state.js.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from protocol import rooms

State = dict[str, Any]
Fold = Callable[[State, str, dict[str, Any]], Any]
"""What a state is after an event; None where there is nothing any more."""

CHAT_LINES = 50


class Told(NamedTuple):
    """An event as it came in."""

    name: str
    data: dict[str, Any]
    meta: dict[str, Any]


def fold_listing(_: State, name: str, data: dict[str, Any]) -> State:
    """The room `listing:<id>`: each line stands in the place of the one before."""
    assert name == "battles.listed"
    line: State = data["battle"]
    return line


def fold_player(view: State, name: str, data: dict[str, Any]) -> State:
    """The room `player:<id>`."""
    match name:
        case "players.changed":
            return {**view, "player": data["player"]}
        case "players.stamina":
            return {**view, "stamina": data["stamina"]}
    raise AssertionError(f"{name} in a player's room")


def fold_user(_: State, name: str, data: dict[str, Any]) -> State | None:
    """The room `user:<id>`. Who is deleted is none."""
    match name:
        case "users.changed":
            changed: State = data["user"]
            return changed
        case "users.deleted":
            return None
    raise AssertionError(f"{name} in a person's room")


def fold_battle(battle: State, name: str, data: dict[str, Any]) -> State:
    """The room `battle:<id>`."""
    changes = _BATTLE[name](battle, data)
    return {**battle, **changes, "seq": battle["seq"] + 1}


def _seat(battle: State, player_id: str, **changes: Any) -> State:
    """The seats with one of them changed."""
    return {**battle["seats"], player_id: {**battle["seats"][player_id], **changes}}


def _occupancy(battle: State, seats: State, at: str) -> State:
    """Since when nobody is seated, or all who are are down."""
    taken = [seat for seat in seats.values() if seat["seated"]]
    all_down = bool(taken) and all(seat["down_at"] is not None for seat in taken)
    return {
        "seats": seats,
        "empty_since": None if taken else battle["empty_since"] or at,
        "all_down_since": (battle["all_down_since"] or at) if all_down else None,
    }


def _created(battle: State, data: dict[str, Any]) -> State:
    return {key: value for key, value in data["battle"].items() if key != "seq"}


def _started(battle: State, data: dict[str, Any]) -> State:
    times = {"started_at": data["at"], "next_hit_at": data["next_hit_at"]}
    return {"status": "in_progress", **times}


def _wave_started(battle: State, data: dict[str, Any]) -> State:
    return {"wave": data["wave"], "enemies": data["enemies"]}


def _player_joined(battle: State, data: dict[str, Any]) -> State:
    seats = {**battle["seats"], data["seat"]["player_id"]: data["seat"]}
    return _occupancy(battle, seats, data["at"])


def _player_away(battle: State, data: dict[str, Any]) -> State:
    return {"seats": _seat(battle, data["player_id"], away_at=data["at"])}


def _player_returned(battle: State, data: dict[str, Any]) -> State:
    return {"seats": _seat(battle, data["player_id"], away_at=None)}


def _player_left(battle: State, data: dict[str, Any]) -> State:
    seats = _seat(battle, data["player_id"], seated=False, away_at=None)
    return _occupancy(battle, seats, data["at"])


def _struck(battle: State, data: dict[str, Any]) -> State:
    enemies = [
        {**enemy, "hp": data["enemy_hp"]} if enemy["enemy_id"] == data["enemy_id"] else enemy
        for enemy in battle["enemies"]
    ]
    damage = battle["seats"][data["player_id"]]["damage"] + data["damage"]
    return {"enemies": enemies, "seats": _seat(battle, data["player_id"], damage=damage)}


def _enemy_defeated(battle: State, data: dict[str, Any]) -> State:
    fallen = {enemy["enemy_id"]: enemy["hp"] for enemy in battle["enemies"]}
    assert fallen[data["enemy_id"]] == 0, "the blow before it took the last hp"
    return {}


def _enemies_struck(battle: State, data: dict[str, Any]) -> State:
    seats = battle["seats"]
    for hit in data["hits"]:
        seats = _seat({"seats": seats}, hit["player_id"], hp=hit["hp"])
    return {"seats": seats, "next_hit_at": data["next_hit_at"]}


def _player_down(battle: State, data: dict[str, Any]) -> State:
    seats = _seat(battle, data["player_id"], hp=0, down_at=data["at"])
    return _occupancy(battle, seats, data["at"])


def _player_revived(battle: State, data: dict[str, Any]) -> State:
    seats = _seat(battle, data["player_id"], hp=data["hp"], down_at=None)
    return {"seats": seats, "all_down_since": None}


def _chat_said(battle: State, data: dict[str, Any]) -> State:
    return {"chat": [*battle["chat"], data["line"]][-CHAT_LINES:]}


def _ended(status: str, at: str) -> State:
    never = dict.fromkeys(("next_hit_at", "empty_since", "all_down_since"))
    return {"status": status, "ended_at": at, **never}


def _completed(battle: State, data: dict[str, Any]) -> State:
    seats = {
        player_id: {**seat, "reward": data["rewards"].get(player_id)}
        for player_id, seat in battle["seats"].items()
    }
    return {"seats": seats, **_ended("completed", data["at"])}


def _abandoned(battle: State, data: dict[str, Any]) -> State:
    return _ended("abandoned", data["at"])


def _reward_claimed(battle: State, data: dict[str, Any]) -> State:
    reward = battle["seats"][data["player_id"]]["reward"]
    return {"seats": _seat(battle, data["player_id"], reward={**reward, "claimed": True})}


_BATTLE: dict[str, Callable[[State, dict[str, Any]], State]] = {
    "battles.created": _created,
    "battles.started": _started,
    "battles.wave_started": _wave_started,
    "battles.player_joined": _player_joined,
    "battles.player_away": _player_away,
    "battles.player_returned": _player_returned,
    "battles.player_left": _player_left,
    "battles.struck": _struck,
    "battles.enemy_defeated": _enemy_defeated,
    "battles.enemies_struck": _enemies_struck,
    "battles.player_down": _player_down,
    "battles.player_revived": _player_revived,
    "battles.chat_said": _chat_said,
    "battles.completed": _completed,
    "battles.abandoned": _abandoned,
    "battles.reward_claimed": _reward_claimed,
}

FOLDS: dict[str, Fold] = {
    "battle": fold_battle,
    "listing": fold_listing,
    "player": fold_player,
    "user": fold_user,
}
"""By kind of room."""


def fold_of(room: str) -> Fold:
    """The fold of a room."""
    parsed = rooms.parse(room)
    assert parsed is not None, room
    return FOLDS[parsed[0].word]


def lasting(room: str, state: Any) -> Any:
    """A state without what is a function of time: stamina grows while nothing happens."""
    if room.startswith("player:"):
        return {key: value for key, value in state.items() if key != "stamina"}
    return state
