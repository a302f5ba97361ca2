"""Changes of rights, and how no connection slips past one.

Every change has a number, in the order in which they were committed. An identity carries the
number of the last change that was committed when its rights were read, both read in one
statement. So a change concerns an identity exactly where its number is the higher one, whenever
the process hears of it and however often.

A change that is acted on closes the connections that are open and concerned, and is remembered. A
connection that opens is held against what is remembered, in the same step of the loop in which it
is put among the open ones. So a change finds it there, or it finds the change.

The rights of an open connection end with its token, too.
"""

import asyncio
import contextvars
from collections import OrderedDict
from typing import Final, NamedTuple

from protocol.errors import unauthenticated
from protocol.gateway import Expired, ExpiryReason
from protocol.times import rfc3339
from server.gateway.connection import Connection, announcement
from server.gateway.identity import Identity
from server.gateway.presence import Presence
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("gateway")

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


class ConnectionRights:
    """The rights of the open connections: closes those whose rights have ended."""

    def __init__(self, presence: Presence, clock: Clock) -> None:
        self._presence = presence
        self._clock = clock
        self._changes = RightsChanges()

    def opened(self, connection: Connection) -> None:
        """A connection opens: it is closed again where its rights have changed since they were
        read."""
        self.watch_expiry(connection)
        lapsed = self._changes.lapsed(connection.identity)
        if lapsed is not None:
            self._expire(connection, lapsed)

    @staticmethod
    def closed(connection: Connection) -> None:
        """A connection is gone."""
        if connection.expiry is not None:
            connection.expiry.cancel()

    def watch_expiry(self, connection: Connection) -> None:
        """Close the connection when its token ends, counted on the monotonic clock."""
        expires_at = connection.identity.expires_at_ms
        left_s = None if expires_at is None else (expires_at - self._clock.now_ms()) / 1000
        self._expire_in(connection, left_s)

    def clock_was_set(self) -> None:
        """Count anew when tokens end: by the wall time that is believed now.

        None lasts longer than it would have, however far the clock was set back.
        """
        now, elapsed = self._clock.now_ms(), asyncio.get_running_loop().time()
        for connection in self._presence.connections():
            expires_at, counted = connection.identity.expires_at_ms, connection.expiry
            if expires_at is not None and counted is not None:
                left_s = min((expires_at - now) / 1000, counted.when() - elapsed)
                self._expire_in(connection, left_s)

    def _expire_in(self, connection: Connection, left_s: float | None) -> None:
        if connection.expiry is not None:
            connection.expiry.cancel()
        if left_s is not None:
            # It ends by itself: the message that renewed it has no part in that.
            connection.expiry = asyncio.get_running_loop().call_later(
                max(0.0, left_s),
                self._expire,
                connection,
                ExpiryReason.EXPIRED,
                context=contextvars.Context(),
            )

    def _expire(self, connection: Connection, reason: ExpiryReason) -> None:
        if not connection.closed:
            at = rfc3339(self._clock.now_ms())
            connection.send(announcement(Expired(reason=reason), at))
            connection.close()
            log.info("expired", connection=connection.id, reason=reason)

    def renew(self, connection: Connection, identity: Identity) -> None:
        """Put fresh rights of the same person under an open connection.

        Raises Failure `unauthenticated` where they have changed since they were read, or allow
        anything else than those the connection came with: the rooms that it is in were joined with
        these. It is closed once the change is acted on.
        """
        other = identity.permissions != connection.identity.permissions
        if connection.closed or other or self._changes.lapsed(identity) is not None:
            raise unauthenticated("the access token is not accepted")
        connection.identity = identity
        self.watch_expiry(connection)

    def change(self, change: RightsChange, spared: Connection | None = None) -> None:
        """Act on a change of rights that is committed: close the connections that it concerns.

        `spared`: the one over which its user asked for it. It is closed after the reply.
        """
        self._changes.remember(change)
        for connection in self._presence.connections(change.who):
            if connection is not spared and change.concerns(connection.identity):
                self._expire(connection, change.reason)

    def doubt(self, version: int) -> None:
        """What changed up to a version is not known: close all whose rights were read before."""
        self._changes.doubt(version)
        for connection in self._presence.connections():
            if connection.identity.rights < version:
                self._expire(connection, ExpiryReason.RIGHTS_CHANGED)
