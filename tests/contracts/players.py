"""The contract of players."""

from typing import TYPE_CHECKING, Any

from protocol.players import PlayerReason
from tests.contracts.contract import EVERYBODY, UNKNOWN, Contract, Needs, RoomNeeds, State

if TYPE_CHECKING:
    from tests.support.stage import Doomed, Stage


async def _no_player(stage: "Stage", **fields: Any) -> "Doomed":
    return stage.doomed(await stage.nobody(), **fields)


async def _not_enough_points(stage: "Stage") -> "Doomed":
    return stage.doomed(await stage.player(), attack=1000)


def fold_player(view: State, name: str, data: dict[str, Any]) -> State:
    """The room `player:<id>`."""
    match name:
        case "players.changed":
            return {**view, "player": data["player"]}
        case "players.stamina":
            return {**view, "stamina": data["stamina"]}
    raise AssertionError(f"{name} in a player's room")


CONTRACT = Contract(
    messages={
        "players.allocate": Needs(
            "play",
            {"attack": 1, "defense": 0, "max_stamina": 0},
            wrong={"attack": -1, "defense": 1001, "max_stamina": "1"},
            refused={
                PlayerReason.NOT_ENOUGH_POINTS: _not_enough_points,
                PlayerReason.NO_PLAYER: lambda stage: _no_player(stage, attack=1),
            },
        ),
        "players.get": Needs("play", {}, refused={PlayerReason.NO_PLAYER: _no_player}),
        "players.list": Needs(
            "connect",
            {"online": True, "limit": 2, "cursor": f"1.0.{UNKNOWN}"},
            wrong={"online": 1, "limit": 201, "cursor": ""},
        ),
    },
    rooms={
        "player": RoomNeeds(
            "play",
            lambda about: f"player:{about.player_id}",
            "players.changed",
            ("owner",),
            listener="owner",
            fold=fold_player,
            passing=frozenset({"stamina"}),
        ),
        "players": RoomNeeds("connect", lambda _: "players", "players.counted", EVERYBODY),
        "profile": RoomNeeds(
            "connect",
            lambda about: f"profile:{about.player_id}",
            "players.profile_changed",
            EVERYBODY,
            missing="no such player",
        ),
    },
    views={"player": "history", "players": "player-row"},
    asked_with=frozenset({("players.list", "cursor")}),
)
