"""Changes of rights, and how no connection slips past one.

Every change has a number, in the order in which they were committed. An identity carries the
number of the last change that was committed when its rights were read, both read in one
statement. So a change concerns an identity exactly where its number is the higher one, whenever
the process hears of it and however often.

A change that is acted on closes the connections that are open and concerned, and is remembered. A
connection that opens is held against what is remembered, in the same step of the loop in which it
is put among the open ones. So a change finds it there, or it finds the change.
"""

from collections import OrderedDict
from typing import Final, NamedTuple

from protocol.gateway import ExpiryReason
from server.gateway.identity import Identity

MAX_REMEMBERED: Final = 10_000


class RightsChange(NamedTuple):
    """What a person or service was allowed has changed. `session`: one log-in, None for all."""

    version: int
    who: str
    session: str | None
    reason: ExpiryReason

    def concerns(self, identity: Identity) -> bool:
        """Whether the identity's rights were read before it."""
        return (
            self.version > identity.rights
            and self.who == identity.id
            and self.session in (None, identity.session)
        )


class RightsChanges:
    """The changes that were acted on: the newest of each log-in, and of each person or service."""

    def __init__(self) -> None:
        self._newest: OrderedDict[tuple[str, str | None], RightsChange] = OrderedDict()
        self._unknown = 0

    def remember(self, change: RightsChange) -> None:
        """Keep a change that is acted on."""
        key = (change.who, change.session)
        self._newest[key] = change
        self._newest.move_to_end(key)
        if len(self._newest) > MAX_REMEMBERED:
            _, oldest = self._newest.popitem(last=False)
            self.doubt(oldest.version)

    def doubt(self, version: int) -> None:
        """What changed up to a version is not known here: rights that are older are not good."""
        self._unknown = max(self._unknown, version)

    def lapsed(self, identity: Identity) -> ExpiryReason | None:
        """Why the rights of an identity are not good any more; None where they are."""
        for session in (None, identity.session):
            change = self._newest.get((identity.id, session))
            if change is not None and change.concerns(identity):
                return change.reason
        return ExpiryReason.RIGHTS_CHANGED if identity.rights < self._unknown else None
