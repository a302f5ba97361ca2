"""Kinds of rooms and their names: `kind:id`, or a word where there is only one."""

from typing import Final, NewType

import msgspec

from protocol.permissions import Permission

Room = NewType("Room", str)


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
        RoomKind("battles", False, _ANYONE_WHO_PLAYS, "Every battle that can be joined."),
        RoomKind("battle", True, _ANYONE_WHO_PLAYS, "One battle: blows, waves, chat, rewards."),
        RoomKind("player", True, _ANYONE_WHO_PLAYS, "One's own player: level, gold, stamina."),
        RoomKind("user", True, Permission.ADMINISTER, "One person: role, e-mail, whether let in."),
        RoomKind("connections", False, Permission.READ, "How many are connected."),
    )
}


def battles() -> Room:
    """The pool of battles that can be joined."""
    return Room("battles")


def battle(battle_id: str) -> Room:
    """One battle."""
    return Room(f"battle:{battle_id}")


def player(player_id: str) -> Room:
    """One player's own room."""
    return Room(f"player:{player_id}")


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
