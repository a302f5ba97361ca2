"""Providers for the usual kinds of rooms: a counter, a state that is kept, the row of a list.

| provider     | events  | snapshot                                                            |
|---|---|---|
| `CounterRoom`| latest  | figures in memory: `battles`, `players`, `connections`              |
| `RowRoom`    | latest  | one row of a list, by its id: `profile:<id>`                        |
| `StateRoom`  | kept    | rows of the database, read with the number of the room's last event |
| `LogRoom`    | kept    | a cached entry whose own number is that of the room's last event    |

A domain declares its rooms in its `rooms.py`, each with one of these; an event is published where
it is committed (`work.publish`), or by the provider if it is `latest`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from protocol.errors import not_found
from protocol.message import Event
from protocol.rooms import Room, RoomKind
from server.database import Reader, Reading, Unavailable
from server.database.history import bounds
from server.gateway.identity import Identity
from server.gateway.rooms import Rooms, Snapshot
from server.runtime.background import PUBLISH_EVERY_S, PUT_OFF_S, publish_together
from server.runtime.clock import Clock
from server.runtime.log import logger

log = logger("gateway")

S = TypeVar("S", bound=msgspec.Struct)

Authorise = Callable[[Identity, str], Awaitable[None]]
"""Raises Failure where an identity may not be in the room of an id."""

NOTHING_KEPT: Final = 0
"""The number of the last event in a room that keeps none."""


async def own(identity: Identity, ident: str) -> None:
    """Only the room of one's own id. Raises Failure `not_found` for others, there or not."""
    if ident != identity.id:
        raise not_found("room")


class CounterRoom:
    """A room with one `latest` event that says how many there are; `value` makes it."""

    def __init__(self, rooms: Rooms, clock: Clock, room: Room, value: Callable[[], Event]) -> None:
        self._rooms = rooms
        self._clock = clock
        self._room = room
        self._value = value

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Open to every identity with the room's permission."""

    async def snapshot(self, ident: str) -> Snapshot:
        """The figures now."""
        return Snapshot(NOTHING_KEPT, self._value())

    async def latest(self, ident: str) -> list[Event]:
        """The figures now."""
        return [self._value()]

    def publish(self) -> None:
        """Publish the figures. Does nothing if the room has no members."""
        if self._rooms.watched(self._room):
            self._rooms.publish_latest(self._value())

    async def publish_when(self, changed: asyncio.Event) -> None:
        """Publish when `changed` is set, at most once a second. A background task."""
        await publish_together(changed, self.publish, self._clock)

    async def publish_polled(self, version: Callable[[], int]) -> None:
        """Look once a second, and publish if `version` is another number than the last time.

        For figures that change too often to set an event each time. A background task.
        """
        published: int | None = None
        while True:
            await self._clock.sleep(PUBLISH_EVERY_S)
            if not self._rooms.watched(self._room):
                published = None  # the next member has a snapshot, of a version that is not known
            elif (now := version()) != published:
                published = now
                self.publish()


class RowRoom(Generic[S]):
    """The rooms of the rows of a list: one `latest` event shows a row as it is.

    `read` gives a row by its id, None where there is none; `event` makes the event that shows it;
    `noun` is what a row is called in an error.
    """

    def __init__(
        self,
        rooms: Rooms,
        clock: Clock,
        kind: RoomKind,
        noun: str,
        read: Callable[[str], Awaitable[S | None]],
        event: Callable[[S], Event],
    ) -> None:
        self._rooms = rooms
        self._clock = clock
        self._kind = kind
        self._noun = noun
        self._read = read
        self._event = event
        self._touched: set[str] = set()
        self._wake = asyncio.Event()

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for a row that does not exist."""
        await self.snapshot(ident)

    async def snapshot(self, ident: str) -> Snapshot:
        """The row. Raises Failure `not_found`."""
        row = await self._read(ident)
        if row is None:
            raise not_found(self._noun)
        return Snapshot(NOTHING_KEPT, row)

    async def latest(self, ident: str) -> list[Event]:
        """The row as it is now."""
        row = await self._read(ident)
        return [] if row is None else [self._event(row)]

    def publish(self, ident: str, row: Callable[[], S]) -> None:
        """Publish a row that is at hand. Does nothing if its room has no members."""
        if self._rooms.watched(self._kind(ident)):
            self._rooms.publish_latest(self._event(row()))

    def touch(self, ident: str) -> None:
        """A row has changed, and must be read to be published. Costs next to nothing where nobody
        is in its room."""
        if self._rooms.watched(self._kind(ident)):
            self._touched.add(ident)
            self._wake.set()

    async def publish_touched(self) -> None:
        """Publish all rows that were touched. Raises Unavailable: the rest is still to be done."""
        while self._touched:
            ident = self._touched.pop()
            try:
                events = await self.latest(ident)
            except Unavailable:
                self._touched.add(ident)
                raise
            for event in events:
                self._rooms.publish_latest(event)

    async def run(self) -> None:
        """Publish what was touched, again and again. A background task."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self.publish_touched()
            except Unavailable as e:
                log.warning("rows_put_off", room=self._kind.pattern, error=str(e))
                await self._clock.sleep(PUT_OFF_S)
                self._wake.set()


class StateRoom(Generic[S]):
    """The rooms of a state in the database, whose kept events the writer numbers.

    `read` gives the state of an id, None where there is none. `noun` is what it is called in an
    error. `authorise` raises where an identity may not join. Without it, every identity with the
    kind's permission may join an id that exists; `known` may answer that without a read. `latest`
    makes the `latest` events that a client needs beside the kept ones, which the history lacks.
    """

    def __init__(
        self,
        reader: Reader,
        kind: RoomKind,
        noun: str,
        read: Callable[[Reading, str], Awaitable[S | None]],
        *,
        authorise: Authorise | None = None,
        known: Callable[[str], bool] = lambda _: False,
        latest: Callable[[str, S], Sequence[Event]] | None = None,
    ) -> None:
        self._reader = reader
        self._kind = kind
        self._noun = noun
        self._read = read
        self._authorise = authorise
        self._known = known
        self._latest = latest

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` where there is no such state, or none for this identity."""
        if self._authorise is not None:
            await self._authorise(identity, ident)
        elif not self._known(ident) and await self._read(self._reader, ident) is None:
            raise not_found(self._noun)

    async def snapshot(self, ident: str) -> Snapshot:
        """The state and the number of the room's last event, of one moment.

        Raises Failure `not_found`.
        """
        async with self._reader.read_transaction() as reading:
            state = await self._read(reading, ident)
            there = await bounds(reading, self._kind(ident))
        if state is None:
            raise not_found(self._noun)
        return Snapshot(there.newest, state)

    async def latest(self, ident: str) -> list[Event]:
        """What the room's `latest` events say now."""
        if self._latest is None:
            return []
        state = await self._read(self._reader, ident)
        return [] if state is None else [*self._latest(ident, state)]


class LogRoom:
    """The rooms of a state that is folded from its own log and cached: see `Event.in_log`.

    `read` gives the committed state and its number; it raises Failure `not_found`.
    """

    def __init__(self, read: Callable[[str], Awaitable[Snapshot]]) -> None:
        self._read = read

    async def authorise(self, identity: Identity, ident: str) -> None:
        """Raises Failure `not_found` for an id that has no state."""
        await self._read(ident)

    async def snapshot(self, ident: str) -> Snapshot:
        """The state, numbered as its log is. Raises Failure `not_found`."""
        return await self._read(ident)

    async def latest(self, ident: str) -> list[Event]:
        """Nothing: all events of a log are kept."""
        return []
