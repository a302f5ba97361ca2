"""What each message and room asks for, and data that looks right, written by hand.

It is not read from `protocol`: what changes there by mistake is to be noticed here. Source of
the grants: the table of permissions in the specification of operating.
"""

from typing import Any, NamedTuple

from protocol.domains import load
from protocol.message import Kind, Spec, specs

UNKNOWN = "01a20622-9de7-7967-8b71-288684b33bd5"
"""The id of nothing that there is."""
SOMEBODY_NEW = "somebody-new"
"""A username that is taken once it was used."""
OWN_TOKEN = "<the caller's access token>"

GRANTED: dict[str, set[str]] = {
    "player": {"connect", "play"},
    "viewer": {"connect", "read"},
    "user": {"connect", "play", "read", "operate"},
    "admin": {"connect", "play", "read", "operate", "administer"},
    "agent": {"connect", "agent"},
    "service without scopes": {"connect"},
    "service to read": {"connect", "read"},
    "service to operate": {"connect", "operate"},
    "service to read and operate": {"connect", "read", "operate"},
}

SCOPES: dict[str, tuple[str, ...]] = {
    "service without scopes": (),
    "service to read": ("read",),
    "service to operate": ("operate",),
    "service to read and operate": ("read", "operate"),
}
"""All sets of scopes that a service may have."""


class Needs(NamedTuple):
    """The permission that a message asks for, and data that looks right."""

    permission: str
    data: dict[str, Any]


MESSAGES: dict[str, Needs] = {
    "auth.renew": Needs("connect", {"token": OWN_TOKEN}),
    "battles.attack": Needs("play", {"battle_id": UNKNOWN, "enemy_id": 1, "kind": "quick"}),
    "battles.chat": Needs("play", {"battle_id": UNKNOWN, "text": "hello"}),
    "battles.claim": Needs("play", {"battle_id": UNKNOWN}),
    "battles.get": Needs("play", {"battle_id": UNKNOWN}),
    "battles.history": Needs("play", {"limit": 2, "cursor": UNKNOWN}),
    "battles.join": Needs("play", {"battle_id": UNKNOWN}),
    "battles.leave": Needs("play", {"battle_id": UNKNOWN}),
    "battles.list": Needs("play", {"status": "waiting", "limit": 2, "cursor": UNKNOWN}),
    "battles.revive": Needs("play", {"battle_id": UNKNOWN}),
    "connections.disconnect": Needs(
        "administer", {"connection_id": UNKNOWN, "reason": "you have been idle"}
    ),
    "connections.list": Needs("administer", {"user_id": UNKNOWN, "limit": 2, "cursor": "7"}),
    "players.allocate": Needs("play", {"attack": 1, "defense": 0, "max_stamina": 0}),
    "players.get": Needs("play", {}),
    "players.list": Needs("connect", {"online": True, "limit": 2, "cursor": f"1.0.{UNKNOWN}"}),
    "rooms.join": Needs("connect", {"room": "nothing", "since": {"epoch": "e", "seq": 1}}),
    "rooms.leave": Needs("connect", {"room": "nothing"}),
    "users.create": Needs(
        "administer",
        {"username": SOMEBODY_NEW, "password": "correct horse", "role": "player"},
    ),
    "users.delete": Needs("administer", {"user_id": UNKNOWN}),
    "users.disable": Needs("administer", {"user_id": UNKNOWN}),
    "users.enable": Needs("administer", {"user_id": UNKNOWN}),
    "users.get": Needs("administer", {"user_id": UNKNOWN}),
    "users.list": Needs(
        "administer", {"search": "a", "role": "player", "limit": 2, "cursor": "nobody"}
    ),
    "users.update": Needs("administer", {"user_id": UNKNOWN, "role": "viewer", "email": None}),
}

ROOMS: dict[str, str] = {
    "battles": "play",
    "listing": "play",
    "battle": "play",
    "player": "play",
    "players": "connect",
    "profile": "connect",
    "user": "administer",
    "connections": "read",
}
"""The permission that each kind of room asks for."""


def calls() -> list[Spec]:
    """Every command and query of the server; none that a test has registered."""
    load()
    return [s for s in specs(Kind.COMMAND, Kind.QUERY) if s.domain != "tests"]


def needs(spec: Spec) -> Needs:
    """What a message needs. Fails where nobody has written it down."""
    assert spec.name in MESSAGES, (
        f"{spec.name} is new: write its permission and data that looks right into MESSAGES of "
        f"tests/support/messages.py"
    )
    return MESSAGES[spec.name]
