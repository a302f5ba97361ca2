"""Kinds of rooms and their names: `kind:id`, or one word for a single room."""

from collections.abc import Callable
from typing import Final, NewType, TypeVar

import msgspec

from protocol.permissions import Permission

Room = NewType("Room", str)
S = TypeVar("S", bound=type[msgspec.Struct])


class RoomKind(msgspec.Struct, frozen=True):
    """A kind of room: its purpose, and the permission to join. Calling it gives a room's name."""

    word: str
    keyed: bool
    permission: Permission
    doc: str

    @property
    def pattern(self) -> str:
        """The form of the name of such a room."""
        return f"{self.word}:<id>" if self.keyed else self.word

    @property
    def prefix(self) -> str:
        """The prefix of the names of such rooms."""
        return f"{self.word}:" if self.keyed else self.word

    def __call__(self, ident: str = "") -> Room:
        """The name of a room, with an id for a keyed kind, otherwise without."""
        if self.keyed != bool(ident):
            raise ValueError(f"a room of this kind has the name {self.pattern}")
        return Room(f"{self.word}:{ident}" if self.keyed else self.word)


KINDS: Final[dict[str, RoomKind]] = {}
"""All kinds of rooms, by their words. Each domain adds its own."""


def keyed(word: str, permission: Permission, doc: str) -> RoomKind:
    """Add a kind with one room for each id."""
    return _add(RoomKind(word, True, permission, doc))


def single(word: str, permission: Permission, doc: str) -> RoomKind:
    """Add a kind with a single room."""
    return _add(RoomKind(word, False, permission, doc))


def all_kinds() -> list[RoomKind]:
    """All kinds of rooms, by their words in order."""
    return [KINDS[word] for word in sorted(KINDS)]


def _add(kind: RoomKind) -> RoomKind:
    if kind.word in KINDS:
        raise ValueError(f"the kind of room {kind.word!r} already exists")
    KINDS[kind.word] = kind
    return kind


_snapshots: Final[dict[str, type[msgspec.Struct]]] = {}


def snapshot_of(word: str) -> Callable[[S], S]:
    """Make a type the snapshot of a kind of room."""

    def register(cls: S) -> S:
        if word not in KINDS or word in _snapshots:
            raise ValueError(f"{word!r} is not a kind of room, or already has a snapshot")
        _snapshots[word] = cls
        return cls

    return register


def snapshot(word: str) -> type[msgspec.Struct]:
    """The type of a kind's snapshots. Raises KeyError if there is none."""
    return _snapshots[word]


def parse(name: str) -> tuple[RoomKind, str] | None:
    """The kind of a room and its id (empty for a single room); None if unknown. Never raises."""
    word, colon, ident = name.partition(":")
    kind = KINDS.get(word)
    if kind is None or kind.keyed != bool(colon) or kind.keyed != bool(ident):
        return None
    return kind, ident
