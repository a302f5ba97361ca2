"""Rooms: who is in which, joining with a verdict, and telling events.

Joining: authorise, subscribe with a buffer that holds what comes, read the snapshot or what was
missed, put the verdict into the client's queue, then what was missed, then from the buffer what
is newer. So nothing is missed and nothing is doubled, whatever is published meanwhile.

What is told by `latest` events is not in the history: whoever goes on without a snapshot is told
what they would say now.
"""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, NamedTuple, Protocol

import msgspec

from protocol import codec, rooms
from protocol.errors import forbidden, not_found, refused
from protocol.gateway import Joined, JoinRoom, ResetReason, RoomReason, Since, Verdict
from protocol.message import KEPT
from protocol.message import Event as Message
from protocol.times import rfc3339
from server.database import Database, Unavailable
from server.database.history import Kept, after, bounds
from server.database.work import OutgoingEvent
from server.gateway.connection import Connection
from server.gateway.identity import Identity
from server.runtime.clock import Clock
from server.runtime.log import logger
from server.runtime.metrics import Metrics
from server.transport.outbox import ITEM_BYTES, Frame

log = logger("gateway")

HOLE_S: Final = 0.2
"""How long a missing number may be late before it is looked for."""
MAX_ROOMS: Final = 1_000
"""Of one connection at once: each takes memory, and there is no end of rooms to join."""
MAX_GAP_EVENTS: Final = 2_000
MAX_GAP_BYTES: Final = 512 * 1024


class Snapshot(NamedTuple):
    """What a room holds, and the number of the last event that is in it."""

    seq: int
    data: msgspec.Struct


class RoomProvider(Protocol):
    """What a domain gives for a kind of room."""

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure where the identity may not be in the room `kind:ident`."""
        ...

    async def snapshot(self, ident: str) -> Snapshot:
        """The room as it is, of one moment. Raises Failure `not_found`."""
        ...

    async def latest(self, ident: str) -> list[Message]:
        """What the `latest` events of the room say now, all that a snapshot would show of them."""
        ...


class Membership:
    """A connection in a room. `held` buffers events until the verdict is queued.

    Numbered events are passed on strictly by their number: `hole` is called where one is missing,
    and what comes meanwhile is held.
    """

    __slots__ = ("_hole", "connection", "deliver", "held", "seq")

    def __init__(self, connection: Connection, hole: Callable[["Membership"], None]) -> None:
        self.connection = connection
        self.deliver: Callable[[Frame], None] = connection.deliver
        self.held: list[Frame] | None = []
        self.seq = 0
        self._hole = hole

    def take(self, frame: Frame) -> None:
        """Pass an event on, unless it is one that the client has."""
        seq = frame.seq
        if self.held is not None:
            self.held.append(frame)
        elif seq is None:
            self.deliver(frame)
        elif seq == self.seq + 1:
            self.seq = seq
            self.deliver(frame)
        elif seq > self.seq:
            self.held = [frame]
            self._hole(self)

    def release(self, seq: int, more: list[Frame]) -> None:
        """The client has all up to `seq`: deliver more, then what was held, and go live."""
        held, self.held = self.held or [], None
        self.seq = seq
        for frame in (*more, *held):
            self.take(frame)


class Verdicted(NamedTuple):
    """The reply to a join, and what must be called once it is in the client's queue."""

    reply: Joined
    release: Callable[[], None]


def _deliver(members: "dict[Connection, Membership]", frame: Frame) -> None:
    """Deliver an event without a number to the members."""
    for membership in list(members.values()):
        if membership.held is None:
            membership.deliver(frame)
        else:
            membership.held.append(frame)


class Rooms:
    """All rooms of this process."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._clock = clock
        self._filling: set[asyncio.Task[None]] = set()
        self._providers: dict[str, RoomProvider] = {}
        self._members: dict[str, dict[Connection, Membership]] = {}
        self._joined: dict[Connection, set[str]] = {}
        self._metrics = metrics
        self.database: Database | None = None  # opened after the rooms that it publishes to
        metrics.watch("warroom_rooms", "Rooms with members.", lambda: len(self._members))

    def add(self, word: str, provider: RoomProvider) -> None:
        """Open a kind of room."""
        if word not in rooms.KINDS or word in self._providers:
            raise ValueError(f"{word} is no kind of room, or has its provider already")
        self._providers[word] = provider

    def unprovided(self) -> list[str]:
        """The kinds of rooms that have no provider yet, by their words."""
        return sorted(rooms.KINDS.keys() - self._providers.keys())

    def publish(self, event: OutgoingEvent, seq: int | None) -> None:
        """Publish an event to its room."""
        self._metrics.events.add(event.name)
        members = self._members.get(event.room)
        if not members:
            return
        epoch = None
        if seq is not None:
            assert self.database is not None
            epoch = self.database.epoch
        # By position: the names of arguments would cost more than the actor does.
        meta = codec.Meta(event.room, event.at, seq, epoch, event.actor)
        frame = Frame.of(event.name, event.data, meta, event.delivery)
        # As `take` does, and without calling it for each of thousands of members.
        if seq is None:
            _deliver(members, frame)
            return
        for membership in list(members.values()):
            if membership.seq + 1 == seq and membership.held is None:
                membership.seq = seq
                membership.deliver(frame)
            else:
                membership.take(frame)

    def publish_frame(self, frame: Frame) -> None:
        """Publish an event without a number to its room."""
        self._metrics.events.add(frame.name)
        if members := self._members.get(frame.room):
            _deliver(members, frame)

    def publish_latest(self, event: Message) -> None:
        """Publish an event that is not kept, as of now, to all in its room.

        Raises ValueError for one that is kept: only a commit publishes it.
        """
        frame = self._as_of_now(event)
        if frame.delivery is KEPT:
            raise ValueError(f"{frame.name} is kept: it is published by the commit of its unit")
        self.publish_frame(frame)

    def watched(self, room: str) -> bool:
        """Whether anybody is in a room."""
        return room in self._members

    def joined(self, connection: Connection) -> Collection[str]:
        """The rooms that a connection is in."""
        return self._joined.get(connection, ())

    async def join(self, connection: Connection, query: JoinRoom) -> Verdicted:
        """Subscribe.

        Raises Failure `not_found` or `forbidden`, alike for rooms that are not; `refused`
        too_many_rooms.
        """
        parsed = rooms.parse(query.room)
        if parsed is None or parsed[0].word not in self._providers:
            raise not_found("room")
        kind, ident = parsed
        if not connection.identity.may(kind.permission):
            raise forbidden(f"{kind.word} requires the permission {kind.permission}")
        joined = self.joined(connection)
        if len(joined) >= MAX_ROOMS and query.room not in joined:
            words = f"at most {MAX_ROOMS} rooms per connection: leave another room first"
            raise refused(RoomReason.TOO_MANY_ROOMS, words)
        provider = self._providers[kind.word]
        await provider.authorise(connection.identity, ident)
        membership = Membership(connection, lambda m: self._fill_later(query.room, m))
        self._members.setdefault(query.room, {})[connection] = membership
        self._joined.setdefault(connection, set()).add(query.room)
        try:
            return await self._verdict(membership, provider, ident, query)
        except BaseException:
            self.leave(connection, query.room)
            raise

    def enter(self, connection: Connection, room: str) -> None:
        """Subscribe to what is told in a room from now on, whatever its name, without a verdict."""
        members = self._members.setdefault(room, {})
        if connection not in members:
            members[connection] = membership = Membership(
                connection, lambda m: self._fill_later(room, m)
            )
            self._joined.setdefault(connection, set()).add(room)
            membership.release(0, [])

    async def _verdict(
        self, membership: Membership, provider: RoomProvider, ident: str, query: JoinRoom
    ) -> Verdicted:
        assert self.database is not None
        epoch = self.database.epoch
        reason = None
        if query.since is not None:
            found = await self._missed(membership.connection, query.room, query.since)
            if not isinstance(found, ResetReason):
                seq, missed = query.since.seq, len(found)
                verdict = Verdict.GAP_FILLED if missed else Verdict.RESUMED
                reply = Joined(query.room, verdict, epoch, seq + missed, missed=missed)
                found += [self._as_of_now(event) for event in await provider.latest(ident)]
                return Verdicted(reply, lambda: membership.release(seq, found))
            reason = found
        snapshot = await provider.snapshot(ident)
        reply = Joined(
            query.room,
            Verdict.JOINED if reason is None else Verdict.RESET,
            epoch,
            snapshot.seq,
            msgspec.Raw(codec.encode(snapshot.data)),
            reason,
        )
        return Verdicted(reply, lambda: membership.release(snapshot.seq, []))

    async def _missed(
        self, connection: Connection, room: str, since: Since
    ) -> list[Frame] | ResetReason:
        assert self.database is not None
        if since.epoch != self.database.epoch:
            return ResetReason.EPOCH_CHANGED
        async with self.database.reader.read_transaction() as reading:
            there = await bounds(reading, room)
            if since.seq > there.newest:
                return ResetReason.AHEAD
            if since.seq < there.oldest - 1:
                return ResetReason.HISTORY_PRUNED
            if there.newest - since.seq > MAX_GAP_EVENTS:
                return ResetReason.GAP_TOO_LARGE
            found = await after(reading, room, since.seq)
        missed = [self._replayed(room, kept) for kept in found]
        # It is queued in one go: more than may wait would have the client let go, each time anew.
        if (
            sum(len(kept.data) for kept in found) > MAX_GAP_BYTES
            or sum(len(frame.packet) + ITEM_BYTES for frame in missed) > connection.spare_bytes()
        ):
            return ResetReason.GAP_TOO_LARGE
        return missed

    def _replayed(self, room: str, kept: Kept) -> Frame:
        assert self.database is not None
        meta = codec.Meta(room, kept.at, kept.seq, self.database.epoch, kept.actor)
        return Frame.of(kept.name, kept.data.encode(), meta, KEPT)

    def _as_of_now(self, event: Message) -> Frame:
        out = OutgoingEvent.of(event, rfc3339(self._clock.now_ms()))
        return Frame.of(out.name, out.data, codec.Meta(out.room, out.at), out.delivery)

    def _fill_later(self, room: str, membership: Membership) -> None:
        task = asyncio.create_task(self._fill(room, membership), name=f"fill:{room}")
        self._filling.add(task)
        task.add_done_callback(self._filling.discard)

    async def _fill(self, room: str, membership: Membership) -> None:
        """Fill a hole from the history. A connection for which that fails is let go: it resumes."""
        assert self.database is not None
        await self._clock.sleep(HOLE_S)
        try:
            async with self.database.reader.read_transaction() as reading:
                found = await after(reading, room, membership.seq)
            if not found:
                raise LookupError(f"nothing after {membership.seq}")
        except Exception as e:  # noqa: BLE001 - logged, with where it was unless it is expected
            why = {"error": str(e)} if isinstance(e, Unavailable) else {"exc_info": e}
            log.error("hole_not_filled", room=room, connection=membership.connection.id, **why)
            membership.connection.close()
            return
        if self._members.get(room, {}).get(membership.connection) is not membership:
            return  # it has left meanwhile, or joined anew
        membership.release(membership.seq, [self._replayed(room, kept) for kept in found])

    def leave(self, connection: Connection, room: str) -> None:
        """Unsubscribe. Leaving a room that was not joined is fine."""
        self._joined.get(connection, set()).discard(room)
        members = self._members.get(room)
        if members is not None:
            members.pop(connection, None)
            if not members:
                del self._members[room]

    def leave_all(self, connection: Connection) -> None:
        """Unsubscribe from everything: the connection is gone."""
        for room in list(self._joined.get(connection, ())):
            self.leave(connection, room)
        self._joined.pop(connection, None)
