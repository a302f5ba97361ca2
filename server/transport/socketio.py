"""Socket.IO 5, the server's side: namespaces over the sessions of Engine.IO.

A client connects to namespaces, one after the other, and is a member of each that took it. What
it sends while it is being looked at is held, so that all it sends stays in order.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, Protocol

from protocol import codec
from protocol.endings import RefusalReason
from protocol.errors import Code, Error
from server.transport.engineio import EngineIOSession
from server.transport.listener import Stop
from server.transport.packet import (
    MAIN,
    MAX_SPACE,
    AckTooLong,
    NotAPacket,
    Packet,
    PacketType,
    build,
    event,
    parse,
)

NOTHING: Final[Sequence[bytes]] = ()
INVALID_NAMESPACE: Final = b'{"message":"Invalid namespace"}'
TWICE: Final = Error(Code.INVALID, "this connection is already authenticated")
MAX_ATTACHMENTS: Final = 10
"""Of one event, wherever any are taken."""


Spawn = Callable[[Coroutine[Any, Any, None]], None]
"""Runs something to its end, whatever becomes of the client."""


class Refusal(Exception):
    """A namespace does not take a client. `payload`: what its `connect_error` carries, in JSON."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.payload = codec.encode({"message": error.message, "data": error})


class NamespaceMember(Protocol):
    """A client in a namespace."""

    @property
    def sid(self) -> str:
        """What it is called there."""
        ...

    @property
    def max_attachments(self) -> int:
        """How many messages of bytes may belong to one of its events."""
        ...

    async def opened(self) -> None:
        """It was told that it is in. What it sent meanwhile comes after this."""
        ...

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> None:
        """It sends an event: a JSON array that nobody has looked at."""
        ...

    def unattached(self, ack: str) -> None:
        """It announces more attachments than it may."""
        ...

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message, or of a body, that has not ended."""
        ...

    def gone(self, reason: str) -> None:
        """It has left, or is gone."""
        ...


class Namespace(Protocol):
    """What clients connect to."""

    async def connect(self, client: "SocketIOClient", auth: str) -> NamespaceMember:
        """Take a client in, by what it gives as JSON ("" where nothing). Raises Refusal."""
        ...

    def stranger(self, client: "SocketIOClient", ack: str) -> None:
        """An event has come from who is not in it."""
        ...


class _Announced:
    """An event whose attachments are to come. Of one that was refused, they are thrown away."""

    __slots__ = ("_session", "is_refused", "left", "packet", "parts", "size")

    def __init__(self, session: EngineIOSession, packet: Packet, *, is_refused: bool) -> None:
        self._session = session
        self.packet = packet
        self.is_refused = is_refused
        self.left = min(packet.attachments, MAX_ATTACHMENTS)
        self.size = 0
        self.parts: list[bytes] = []

    def expire(self) -> None:
        """They have not come in time."""
        self._session.refuse(RefusalReason.SLOW, "the attachments were not complete in time")


class SocketIOClient:
    """One client of Socket.IO: handles its session."""

    __slots__ = (
        "_announced",
        "_connecting",
        "_held",
        "_held_bytes",
        "_is_late",
        "_max_bytes",
        "_members",
        "_namespaces",
        "_spawn",
        "_timeout_s",
        "_timer",
        "session",
    )

    def __init__(
        self,
        session: EngineIOSession,
        namespaces: Mapping[str, Namespace],
        spawn: Spawn,
        connect_timeout_s: float,
        max_bytes: int,
    ) -> None:
        self.session = session
        self._namespaces = namespaces
        self._spawn = spawn
        self._members: dict[str, NamespaceMember] = {}
        self._connecting = False
        self._is_late = False
        self._held: deque[str | bytes] | None = None  # while it is being looked at
        self._held_bytes = 0
        self._max_bytes = max_bytes
        self._announced: _Announced | None = None
        self._timeout_s = connect_timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._expect()

    # ---- what comes in

    def received(self, message: str | bytes) -> None:
        """A message of the session."""
        if self._connecting and not self.session.closed:
            self._hold(message)
        elif isinstance(message, bytes):
            self._attached(message)
        elif (found := event(message)) and (member := self._members.get(MAIN)):
            member.event(found[0], found[1], NOTHING)  # nearly all of them
        else:
            try:
                packet = parse(message)
            except NotAPacket:
                self.session.refuse(RefusalReason.PARSE_ERROR)
            except AckTooLong:
                self.session.count_junk()
            else:
                self._take(packet)

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message, or of a body, that has not ended."""
        for member in self._members.values():
            member.arriving(size)
            break  # it is counted once

    def _hold(self, message: str | bytes) -> None:
        if self._held is None:
            self._held = deque()
        self._held.append(message)
        self._held_bytes += len(message)
        if self._held_bytes > self._max_bytes:
            words = "too many bytes before authentication"
            self.session.refuse(RefusalReason.TOO_LARGE, words)

    def _take(self, packet: Packet) -> None:
        member = self._members.get(packet.space)
        match packet.kind:
            case PacketType.EVENT if member is not None:
                member.event(packet.ack, packet.payload, NOTHING)
            case PacketType.CONNECT:
                self._connect(packet)
            case PacketType.DISCONNECT if member is not None:
                del self._members[packet.space]
                member.gone("client disconnect")
                self._expect()
            case PacketType.BINARY_EVENT if member is not None:
                self._announce(member, packet)
            case PacketType.EVENT | PacketType.BINARY_EVENT:
                space = self._namespaces.get(packet.space)
                if space is not None:
                    space.stranger(self, packet.ack)
            case PacketType.CONNECT_ERROR:
                self.session.refuse(RefusalReason.PARSE_ERROR)
            case _:
                # An answer, and nothing was asked; or a namespace that it is not in.
                self.session.count_junk()

    def _announce(self, member: NamespaceMember, packet: Packet) -> None:
        self._give_up_announced()
        is_taken = 0 < packet.attachments <= member.max_attachments
        if packet.attachments:
            self._announced = _Announced(self.session, packet, is_refused=not is_taken)
        if is_taken and self._announced is not None:
            self.session.refusals.slow.begin(self._announced)
        else:
            member.unattached(packet.ack)

    def _give_up_announced(self) -> None:
        announced, self._announced = self._announced, None
        if announced is not None:
            self.session.refusals.slow.end(announced)

    def _attached(self, data: bytes) -> None:
        announced = self._announced
        if announced is None:
            self.session.count_junk()  # it belongs to nothing
            return
        announced.left -= 1
        announced.size += len(data)
        if announced.size > self._max_bytes:
            self.session.refuse(RefusalReason.TOO_LARGE, "the attachments are too large")
            return
        if not announced.is_refused:
            announced.parts.append(data)
        if not announced.left:
            self._give_up_announced()
            packet = announced.packet
            member = self._members.get(packet.space)
            if member is not None and not announced.is_refused:
                member.event(packet.ack, packet.payload, announced.parts)

    # ---- coming in

    def _connect(self, packet: Packet) -> None:
        namespace = self._namespaces.get(packet.space)
        if namespace is None:
            self.send(build(PacketType.CONNECT_ERROR, packet.space[:MAX_SPACE], INVALID_NAMESPACE))
            self.session.count_junk()
        else:
            self._connecting = True
            self.session.stop(Stop.VERDICT)
            self._spawn(self._connected(namespace, packet))

    async def _connected(self, namespace: Namespace, packet: Packet) -> None:
        try:
            await self._enter(namespace, packet)
        finally:
            self._connecting = False
            if self._is_late:
                self._late()
            self._go_on()

    def _go_on(self) -> None:
        """Take what was held, up to where it connects to one more namespace."""
        while self._held and not self._connecting:
            message = self._held.popleft()
            self._held_bytes -= len(message)
            self.received(message)
        if not self._held:
            self._held = None
        if not self._connecting:
            self.session.go_on(Stop.VERDICT)

    async def _enter(self, namespace: Namespace, packet: Packet) -> None:
        try:
            if packet.space in self._members:
                raise Refusal(TWICE)
            member = await namespace.connect(self, packet.payload)
        except Refusal as e:
            self.send(build(PacketType.CONNECT_ERROR, packet.space, e.payload))
            self.session.count_junk()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._members[packet.space] = member
        self.session.admit()
        self.send(build(PacketType.CONNECT, packet.space, b'{"sid":"%b"}' % member.sid.encode()))
        await member.opened()

    def _expect(self) -> None:
        """A client that is in no namespace is not authenticated, and has so long to connect."""
        if not self._members and self._timer is None and not self.session.closed:
            self.session.restrict()
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._timeout_s, self._late)

    def _late(self) -> None:
        self._timer = None
        self._is_late = self._connecting  # what is under way may let it in yet
        if not self._members and not self._connecting:
            self.session.refuse(RefusalReason.NO_LOGIN)

    # ---- what goes out, and the end

    def send(self, packet: bytes) -> None:
        """Send a packet."""
        if not self.session.closed:
            self.session.send_packet(packet)

    def gone(self, reason: str) -> None:
        """The session is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._give_up_announced()
        self._held = None
        members, self._members = self._members, {}
        for member in members.values():
            member.gone(reason)
