"""Roles and their permissions. A user has one role; a service key has scopes instead."""

from enum import StrEnum


class Permission(StrEnum):
    """The permission that a command, a query or a room requires."""

    CONNECT = "connect"  # every authenticated caller
    PLAY = "play"
    READ = "read"
    OPERATE = "operate"
    ADMINISTER = "administer"
    AGENT = "agent"

    __hash__ = str.__hash__  # an enumeration's own is written in Python, and asked for each message


class Role(StrEnum):
    """The role of a user."""

    PLAYER = "player"
    VIEWER = "viewer"
    USER = "user"
    ADMIN = "admin"
    AGENT = "agent"


GRANTS: dict[Role, frozenset[Permission]] = {
    Role.PLAYER: frozenset({Permission.CONNECT, Permission.PLAY}),
    Role.VIEWER: frozenset({Permission.CONNECT, Permission.READ}),
    Role.USER: frozenset(
        {Permission.CONNECT, Permission.PLAY, Permission.READ, Permission.OPERATE}
    ),
    Role.ADMIN: frozenset(
        {
            Permission.CONNECT,
            Permission.PLAY,
            Permission.READ,
            Permission.OPERATE,
            Permission.ADMINISTER,
        }
    ),
    Role.AGENT: frozenset({Permission.CONNECT, Permission.AGENT}),
}

OVER_OTHERS = frozenset({Permission.OPERATE, Permission.ADMINISTER})
"""With these a caller acts on others: a command that needs one is committed only while its caller
still has it."""

SCOPES = frozenset({Permission.READ, Permission.OPERATE})
"""The permissions that a service key may have."""


def granted(role: Role) -> frozenset[Permission]:
    """The permissions of a role. Never raises."""
    return GRANTS[role]
