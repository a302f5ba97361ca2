"""The contract of battles."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from protocol.battles import BattleReason
from protocol.players import PlayerReason
from tests.contracts.contract import UNKNOWN, Contract, Needs, RoomNeeds, State

if TYPE_CHECKING:
    from tests.support.stage import Doomed, Stage

CHAT_LINES = 50

BLOW = {"enemy_id": 1, "kind": "quick"}
LINE = {"text": "hello"}
ID = {"battle_id": "*"}


# ---- what its commands refuse


async def _seated_elsewhere(stage: "Stage") -> "Doomed":
    somebody = await stage.player()
    first, second, *_ = stage.easy()
    await somebody.ok("battles.join", battle_id=first)
    return stage.doomed(somebody, battle_id=second)


async def _full(stage: "Stage") -> "Doomed":
    battle_id = stage.easy()[0]
    for _ in range(10):
        await (await stage.player()).ok("battles.join", battle_id=battle_id)
    return stage.doomed(await stage.player(), battle_id=battle_id)


async def _level_too_low(stage: "Stage") -> "Doomed":
    return stage.doomed(await stage.player(), battle_id=stage.hard())


async def _without_a_seat(stage: "Stage", **fields: Any) -> "Doomed":
    return stage.doomed(await stage.player(), battle_id=stage.easy()[0], **fields)


async def _over(stage: "Stage", **fields: Any) -> "Doomed":
    somebody = await stage.player()
    return stage.doomed(somebody, battle_id=await stage.abandoned(somebody), **fields)


async def _no_player(stage: "Stage", **fields: Any) -> "Doomed":
    return stage.doomed(await stage.nobody(), battle_id=stage.easy()[0], **fields)


async def _down(stage: "Stage", **fields: Any) -> "Doomed":
    fallen, battle_id = await stage.fallen()
    return stage.doomed(fallen, battle_id=battle_id, **fields)


async def _exhausted(stage: "Stage") -> "Doomed":
    somebody = await stage.seated(stamina=4)
    return stage.doomed(somebody, battle_id=stage.easy()[0], **BLOW)


async def _fells_twice(stage: "Stage") -> "Doomed":
    strong = await stage.seated(attack=100_000)
    battle_id = stage.easy()[0]
    await strong.ok("battles.attack", battle_id=battle_id, **BLOW)
    return stage.doomed(strong, battle_id=battle_id, **BLOW)


async def _up(stage: "Stage") -> "Doomed":
    return stage.doomed(await stage.seated(), battle_id=stage.easy()[0])


async def _already_claimed(stage: "Stage") -> "Doomed":
    winner, battle_id = await stage.won()
    await winner.ok("battles.claim", battle_id=battle_id)
    return stage.doomed(winner, battle_id=battle_id)


# ---- what a client makes of its events


def fold_listing(_: State, name: str, data: dict[str, Any]) -> State:
    """The room `listing:<id>`: each line stands in the place of the one before."""
    assert name == "battles.listed"
    line: State = data["battle"]
    return line


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


# ---- all of it

CONTRACT = Contract(
    messages={
        "battles.attack": Needs(
            "play",
            {"battle_id": UNKNOWN, **BLOW},
            wrong={**ID, "enemy_id": 0, "kind": "slow", "request_id": "wrr_abc"},
            refused={
                BattleReason.NOT_SEATED: lambda stage: _without_a_seat(stage, **BLOW),
                BattleReason.DOWN: lambda stage: _down(stage, **BLOW),
                BattleReason.OVER: lambda stage: _over(stage, **BLOW),
                PlayerReason.EXHAUSTED: _exhausted,
                BattleReason.ENEMY_DEFEATED: _fells_twice,
                PlayerReason.NO_PLAYER: lambda stage: _no_player(stage, **BLOW),
            },
        ),
        "battles.chat": Needs(
            "play",
            {"battle_id": UNKNOWN, **LINE},
            wrong={**ID, "text": "two\nlines", "request_id": ""},
            refused={BattleReason.NOT_SEATED: lambda stage: _without_a_seat(stage, **LINE)},
        ),
        "battles.claim": Needs(
            "play",
            {"battle_id": UNKNOWN},
            wrong=ID,
            refused={
                BattleReason.NOT_OVER: _up,
                BattleReason.NO_REWARD: _over,
                BattleReason.ALREADY_CLAIMED: _already_claimed,
                PlayerReason.NO_PLAYER: _no_player,
            },
        ),
        "battles.get": Needs("play", {"battle_id": UNKNOWN}, wrong=ID),
        "battles.history": Needs(
            "play", {"limit": 2, "cursor": UNKNOWN}, wrong={"limit": 201, "cursor": ""}
        ),
        "battles.join": Needs(
            "play",
            {"battle_id": UNKNOWN},
            wrong=ID,
            refused={
                BattleReason.SEATED_ELSEWHERE: _seated_elsewhere,
                BattleReason.FULL: _full,
                BattleReason.OVER: _over,
                BattleReason.LEVEL_TOO_LOW: _level_too_low,
                PlayerReason.NO_PLAYER: _no_player,
            },
        ),
        "battles.leave": Needs(
            "play",
            {"battle_id": UNKNOWN},
            wrong=ID,
            refused={BattleReason.NOT_SEATED: _without_a_seat, BattleReason.OVER: _over},
        ),
        "battles.list": Needs(
            "play",
            {"status": "waiting", "limit": 2, "cursor": UNKNOWN},
            wrong={"status": "lost", "limit": 0, "cursor": 7},
        ),
        "battles.revive": Needs(
            "play",
            {"battle_id": UNKNOWN},
            wrong=ID,
            refused={
                BattleReason.NOT_SEATED: _without_a_seat,
                BattleReason.NOT_DOWN: _up,
                BattleReason.OVER: _over,
                PlayerReason.NOT_ENOUGH_GEMS: _down,
                PlayerReason.NO_PLAYER: _no_player,
            },
        ),
    },
    rooms={
        "battles": RoomNeeds("play", lambda _: "battles", "battles.counted", ("owner", "other")),
        "listing": RoomNeeds(
            "play",
            lambda about: f"listing:{about.battle_id}",
            "battles.listed",
            ("owner", "other"),
            missing="no such battle",
            fold=fold_listing,
        ),
        "battle": RoomNeeds(
            "play",
            lambda about: f"battle:{about.battle_id}",
            "battles.struck",
            ("owner", "other"),
            missing="no such battle",
            fold=fold_battle,
            before={"seq": 0},
        ),
    },
    views={"battles": "battle-card", "battle": None},
    asked_with=frozenset({("battles.list", "cursor"), ("battles.history", "cursor")}),
    shown=frozenset({"text"}),
)
