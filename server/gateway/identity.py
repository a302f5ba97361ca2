"""Who is at the other end of a connection."""

import msgspec

from protocol import actors
from protocol.permissions import Permission, Role


class Identity(msgspec.Struct, frozen=True):
    """A person with a role, or a service with scopes.

    `expires_at_ms`: wall time at which the token ends; None for a service key.
    `session`: names the log-in, so that logging out reaches what it opened.
    `rights`: the number of the last change of rights there was when these were read.
    `actor`: the name under which what they do is recorded, made once and not for each message.
    """

    id: str
    name: str
    permissions: frozenset[Permission]
    role: Role | None = None
    session: str | None = None
    expires_at_ms: int | None = None
    rights: int = 0
    actor: str = ""

    def __post_init__(self) -> None:
        kind = actors.service if self.role is None else actors.user
        msgspec.structs.force_setattr(self, "actor", kind(self.id))

    def may(self, permission: Permission) -> bool:
        """Whether the permission was granted."""
        return permission in self.permissions
