"""Rooms as a client keeps them: a snapshot and events, in plain JSON, as PROTOCOL.md says it.

The law: an old snapshot and the events after it are what a new snapshot is. Each kind of room
that has kept events has its fold in the contract of its domain; the page's are in
server/dashboard/state.js.
"""

from typing import Any, NamedTuple

from protocol import rooms
from tests.contracts import ROOMS
from tests.contracts.contract import Fold, State

__all__ = ["FOLDS", "Fold", "State", "Told", "fold_of", "lasting"]


class Told(NamedTuple):
    """An event as it came in."""

    name: str
    data: dict[str, Any]
    meta: dict[str, Any]


FOLDS: dict[str, Fold] = {word: kind.fold for word, kind in ROOMS.items() if kind.fold is not None}
"""By kind of room."""


def fold_of(room: str) -> Fold:
    """The fold of a room."""
    parsed = rooms.parse(room)
    assert parsed is not None, room
    return FOLDS[parsed[0].word]


def lasting(room: str, state: Any) -> Any:
    """A state without what is a function of time: stamina grows while nothing happens."""
    kind = ROOMS.get(room.partition(":")[0])
    if kind is None or not kind.passing:
        return state
    return {key: value for key, value in state.items() if key not in kind.passing}
