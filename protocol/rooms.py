"""Kinds of rooms and their names: `kind:id`, or a word where there is only one."""

from collections.abc import Callable
from typing import Final, NewType, TypeVar

import msgspec

from protocol.permissions import Permission

Room = NewType("Room", str)
S = TypeVar("S", bound=type[msgspec.Struct])


class RoomKind(msgspec.Struct, frozen=True):
    """What a kind of room is for and who may ask to join it."""

    word: str
    keyed: bool
    permission: Permission
    doc: str

    @property
    def pattern(self) -> str:
        """How the name of such a room is written."""
        return f"{self.word}:<id>" if self.keyed else self.word


_ANYONE_WHO_PLAYS = Permission.PLAY

KINDS: Final[dict[str, RoomKind]] = {
    kind.word: kind
    for kind in (
        RoomKind("battles", False, _ANYONE_WHO_PLAYS, "How many battles are open."),
        RoomKind("listing", True, _ANYONE_WHO_PLAYS, "One battle in one line, as lists show it."),
        RoomKind("battle", True, _ANYONE_WHO_PLAYS, "One battle: blows, waves, chat, rewards."),
        RoomKind("player", True, _ANYONE_WHO_PLAYS, "One's own player: level, gold, stamina."),
        RoomKind("players", False, Permission.CONNECT, "How many players there are, and are here."),
        RoomKind("profile", True, Permission.CONNECT, "What everybody may know of a player."),
        RoomKind("user", True, Permission.ADMINISTER, "One person: role, e-mail, whether let in."),
        RoomKind("connections", False, Permission.READ, "How many are connected."),
    )
}

_snapshots: Final[dict[str, type[msgspec.Struct]]] = {}


def snapshot_of(word: str) -> Callable[[S], S]:
    """Make a type the snapshot of a kind of room."""

    def register(cls: S) -> S:
        if word not in KINDS or word in _snapshots:
            raise ValueError(f"{word!r} is no kind of room, or has a snapshot already")
        _snapshots[word] = cls
        return cls

    return register


def snapshot(word: str) -> type[msgspec.Struct]:
    """The type of a kind's snapshots. Raises KeyError where none was registered."""
    return _snapshots[word]


def battles() -> Room:
    """The pool: all battles that wait or are under way."""
    return Room("battles")


def listing(battle_id: str) -> Room:
    """The line of one battle."""
    return Room(f"listing:{battle_id}")


def battle(battle_id: str) -> Room:
    """One battle."""
    return Room(f"battle:{battle_id}")


def player(player_id: str) -> Room:
    """One player's own room."""
    return Room(f"player:{player_id}")


def players() -> Room:
    """All players."""
    return Room("players")


def profile(player_id: str) -> Room:
    """What everybody may know of one player."""
    return Room(f"profile:{player_id}")


def user(user_id: str) -> Room:
    """One person, as whoever administers sees them."""
    return Room(f"user:{user_id}")


def connections() -> Room:
    """How many are connected."""
    return Room("connections")


def parse(name: str) -> tuple[RoomKind, str] | None:
    """The kind of a room and its id (empty for a word); None where no kind fits. Never raises."""
    word, colon, ident = name.partition(":")
    kind = KINDS.get(word)
    if kind is None or kind.keyed != bool(colon) or kind.keyed != bool(ident):
        return None
    return kind, ident
