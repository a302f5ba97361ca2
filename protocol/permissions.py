"""Roles, and what each may do. One role a person; a service key carries scopes instead."""

from enum import StrEnum


class Permission(StrEnum):
    """What a command, a query or a room asks of whoever calls."""

    CONNECT = "connect"  # anyone who has authenticated
    PLAY = "play"
    READ = "read"
    OPERATE = "operate"
    ADMINISTER = "administer"
    AGENT = "agent"

    __hash__ = str.__hash__  # an enumeration's own is written in Python, and asked for each message


class Role(StrEnum):
    """The one role of a person."""

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
"""What a service key may be given."""


def granted(role: Role) -> frozenset[Permission]:
    """The permissions of a role. Never raises."""
    return GRANTS[role]
