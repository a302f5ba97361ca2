"""The caller of a command that acts on others: still permitted, or told what was taken away.

A connection is admitted with rights, and its commands may be committed much later: they wait for a
password hash, for the disk, or for another decision. So the rights are a condition of the unit.
"""

from collections.abc import Callable

from protocol.errors import forbidden, unauthenticated
from protocol.permissions import Permission
from server.auth.store import Logins
from server.database import Reader, Work
from server.gateway import Identity


class Callers:
    """The guard of all units that act on others.

    `on_lost` is called where a caller has lost rights: another process has taken them away, and
    this one has not acted on it yet.
    """

    def __init__(self, reader: Reader, on_lost: Callable[[], None]) -> None:
        self._logins = Logins(reader)
        self._on_lost = on_lost

    def guard(self, work: Work, caller: Identity) -> None:
        """Put into a unit that its caller still has the rights that the connection has.

        The role must be the same, not only one with the permission: another role closes the
        connection, and refreshing gives a token with it.
        """
        if caller.role is None:
            work.guard(Logins.hold_key(caller.id, _scopes(caller)))
        else:
            work.guard(Logins.hold_caller(caller.id, caller.role, caller.session or ""))

    async def check(self, caller: Identity) -> None:
        """See that a caller has kept these rights.

        Raises Failure `unauthenticated` or `forbidden` where that is not so, Unavailable.
        """
        if caller.role is None:
            scopes = await self._logins.key_standing(caller.id)
            if scopes == _scopes(caller):
                return
            lost = unauthenticated("the service key was revoked: the command was rejected")
        else:
            role = await self._logins.standing(caller.id, caller.session or "")
            if role == caller.role:
                return
            if role is None:
                lost = unauthenticated("the log-in has ended: the command was rejected")
            else:
                lost = forbidden(
                    f"the role is now {role}: the command was rejected; refresh and reconnect"
                )
        self._on_lost()
        raise lost


def _scopes(service: Identity) -> str:
    """The scopes of a service as its key has them."""
    return " ".join(sorted(service.permissions - {Permission.CONNECT}))
