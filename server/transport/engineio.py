"""Engine.IO 4, the server's side: sessions over polling and WebSocket, and the way between.

A core of our own, where python-engineio could have stood. What decided it, after both were tried:
with python-engineio, handshake, polls, bodies, pings, closing and upgrades each had to be
overridden to do what the protocol says (its server passes 34 of the official suites' 56 tests),
and the path of WebSockets as well, for speed; nothing of it was left but its names, most of them
private. python-socketio's client is what the tests compare with.
Source: https://socket.io/docs/v4/engine-io-protocol/
"""

import asyncio
import base64
import secrets
from operator import attrgetter
from typing import Final, Protocol

from protocol.endings import RefusalReason
from server.transport import rfc6455
from server.transport.deadlines import Heartbeat, Standstill
from server.transport.limits import JunkLimit
from server.transport.listener import Stop
from server.transport.outbox import Form, Outbox, OutboxLimits
from server.transport.polling import NOOP, Polling, encode_binary
from server.transport.refusals import Refusals
from server.transport.rfc6455 import CloseCode, Opcode
from server.transport.websocket import LINGER_S, WebSocket

POLLED: Final[Form] = attrgetter("packet")
FRAMED: Final[Form] = attrgetter("socketio")


class Handler(Protocol):
    """What a session delivers to. None of it is awaited."""

    def received(self, message: str | bytes) -> None:
        """A message."""
        ...

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message, or of a body, that has not ended."""
        ...

    def gone(self, reason: str) -> None:
        """The session is over. Called once."""
        ...


class Nobody:
    """Handles a session that is nobody's: not yet, or no more."""

    def received(self, message: str | bytes) -> None:
        """Nothing is done with it."""

    def arriving(self, size: int) -> None:
        """Nothing is counted."""

    def gone(self, reason: str) -> None:
        """Nobody is told."""


_NOBODY: Final = Nobody()


class Probing(Protocol):
    """A WebSocket that may go on in the place of polling: see `Probe`."""

    def give_up(self) -> None:
        """Close it."""
        ...


class Owner(Protocol):
    """What a session needs of the server that it is one of."""

    @property
    def bounds(self) -> OutboxLimits:
        """The bounds of what may wait."""
        ...

    @property
    def heartbeat(self) -> Heartbeat:
        """The heartbeats of all sessions."""
        ...

    @property
    def refusals(self) -> Refusals:
        """Counts those that are ended for what they do."""
        ...

    def forget(self, session: "EngineIOSession") -> None:
        """A session is over, and nothing of it is under way."""
        ...


class EngineIOSession:
    """One client, over whichever transport it has. Messages go to its handler."""

    __slots__ = (
        "_junk",
        "_owner",
        "_readable",
        "_standstill",
        "_stops",
        "address",
        "closed",
        "ended",
        "handler",
        "is_restricted",
        "outbox",
        "polling",
        "probe",
        "sid",
        "socket",
    )

    def __init__(self, owner: Owner, address: str, max_packets: int | None = None) -> None:
        self._owner = owner
        self._junk: JunkLimit | None = None
        self._stops = Stop(0)
        self._standstill: Standstill | None = None
        self._readable: asyncio.Future[None] | None = None  # what a body of polling waits for
        self.is_restricted = False
        self.sid = secrets.token_urlsafe(15)
        self.address = address
        self.outbox = Outbox(owner.bounds, POLLED)
        self.outbox.overflow = self.overflowed
        self.polling: Polling | None = Polling(self.outbox, max_packets)
        self.socket: WebSocket | None = None
        self.probe: Probing | None = None
        self.closed = False
        self.ended = ""
        """Why it is over."""
        self.handler: Handler = _NOBODY

    def overflowed(self, _: object) -> None:
        """Its send buffer is full. `BufferedConnection` tells an authenticated client so."""
        self.refuse(RefusalReason.UNREAD)

    # ---- what goes out

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        if isinstance(message, str):
            self.send_packet(b"4" + message.encode())
        elif self.socket is None:
            self.outbox.push(encode_binary(message))
        else:
            self.outbox.push(rfc6455.encode(message, Opcode.BINARY))

    def send_packet(self, packet: bytes) -> None:
        """Send a packet of text."""
        self.outbox.push(packet if self.socket is None else rfc6455.encode(packet))

    def ping(self) -> None:
        """Ask whether it is there."""
        self.send_packet(b"2")

    def silent(self) -> None:
        """It was not there."""
        self.refuse(RefusalReason.PING_TIMEOUT)

    # ---- what comes in

    def text(self, text: str) -> None:
        """A packet, over a WebSocket."""
        if self.closed:
            return
        if text[:1] == "4":  # nearly all of them
            self.handler.received(text[1:])
        else:
            self._control(text)

    def binary(self, data: bytes) -> None:
        """A message of bytes."""
        if not self.closed:
            self.handler.received(data)

    def pinged(self) -> None:
        """A ping of the WebSocket's own."""
        self.count_junk()

    def pong(self) -> None:
        """A pong of the WebSocket's own: nobody has asked for it."""
        self.count_junk()

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message, or of a body, that has not ended."""
        self.handler.arriving(size)

    def count_junk(self) -> None:
        """Something came that is no message. Too much of that ends it."""
        if self._junk is None:
            self._junk = JunkLimit()
        if self._junk.exceeds():
            self.refuse(RefusalReason.FLOODING)

    def lost(self) -> None:
        """The WebSocket is gone."""
        self.end("transport close")
        self._owner.forget(self)

    # ---- how much is read

    def restrict(self) -> None:
        """The client is not authenticated: read little of it, and count it."""
        if self.closed:
            return
        self.is_restricted = True
        if self.socket is not None:
            self.socket.restrict()
        self._owner.refusals.unauthenticated.add(self, self.address)

    def admit(self) -> None:
        """The client is authenticated."""
        self.is_restricted = False
        if self.socket is not None:
            self.socket.admit()
        self._owner.refusals.unauthenticated.discard(self)

    def give_way(self) -> None:
        """Others wait to connect, and this one is not authenticated yet."""
        self.refuse(RefusalReason.TOO_MANY_UNAUTHENTICATED)

    def stop(self, why: Stop) -> None:
        """Read nothing more until `go_on` is called with the same reason."""
        if Stop.BACKLOG in why:
            if self._standstill is None:
                self._standstill = Standstill(self._owner.refusals.standstill_s)
            self._standstill.begin(asyncio.get_running_loop().time())
        if Stop.VERDICT in why:
            self._owner.refusals.unauthenticated.checking(self)
        self._stops |= why
        if self.socket is not None:
            self.socket.stop(why)

    def go_on(self, why: Stop) -> None:
        """A reason not to read is over."""
        if not self._stops:
            return
        if Stop.VERDICT in why:
            self._owner.refusals.unauthenticated.not_accepted(self)
        self._stops &= ~why
        if self.socket is not None:
            self.socket.go_on(why)
        if not self._stops:
            if self._standstill is not None:
                self._standstill.end(asyncio.get_running_loop().time())
            self._let_read()

    def _let_read(self) -> None:
        readable, self._readable = self._readable, None
        if readable is not None and not readable.done():
            readable.set_result(None)

    async def readable(self) -> None:
        """Wait until more of a body of polling is read, or the session is over.

        One waits at a time. The session ends where that takes too long.
        """
        if not self._stops or self.closed:
            return
        self._readable = readable = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait({readable}, timeout=self._owner.refusals.standstill_s)
        if not done:
            self.refuse(RefusalReason.SLOW)

    @property
    def refusals(self) -> Refusals:
        """What counts its end where it is refused."""
        return self._owner.refusals

    @property
    def stood_still_s(self) -> float:
        """For how long the client's deadlines have stood still, in seconds: see `Standstill`."""
        if self._standstill is None:
            return 0.0
        return self._standstill.total_s(asyncio.get_running_loop().time())

    def _control(self, packet: str) -> None:
        """A packet that is no message. What is no packet ends the session."""
        match packet[:1]:
            case "3":
                if not self._owner.heartbeat.answered(self):
                    self.count_junk()
            case "1":
                self.end("transport close")
            case "6":
                self.count_junk()
            case _:
                self.refuse(RefusalReason.PARSE_ERROR)

    # ---- its end

    def close(self, reason: str = "server disconnect") -> None:
        """Send what waits, and end.

        Without a CLOSE packet: JavaScript's client ignores it and stays, Python's takes it as a
        reason not to come back. A client that polls gets what waits with its next poll.
        """
        if self.closed:
            return
        self._over(reason)
        if self.socket is not None:
            self.socket.close()
        elif self.polling is not None:
            self.polling.end(NOOP)
            asyncio.get_running_loop().call_later(LINGER_S, self._owner.forget, self)

    def refuse(self, reason: RefusalReason, why: str = "", word: bytes = NOOP) -> None:
        """End it for what the client does, or fails to do. `why`: where more exact is known."""
        if not self.closed:
            self._owner.refusals.count(reason, why)
            code = CloseCode.NORMAL if reason.close_code is None else reason.close_code
            self.end(reason, word, code, why or reason.words)

    def end(
        self, reason: str, word: bytes = NOOP, code: int = CloseCode.NORMAL, why: str = ""
    ) -> None:
        """End it, and drop what waits.

        A poll that waits is answered with a word, a WebSocket closed with a code and why.
        """
        if self.closed:
            return
        self._over(reason)
        self.outbox.clear()
        if self.socket is not None:
            self.socket.close(code, why)
        else:
            polling = self.polling
            self._owner.forget(self)
            if polling is not None:
                polling.cut(word)

    def _over(self, reason: str) -> None:
        self.closed, self.ended = True, reason
        self._owner.heartbeat.stop(self)
        self._owner.refusals.unauthenticated.discard(self)
        self._let_read()
        if self.probe is not None:
            self.probe.give_up()
        handler, self.handler = self.handler, _NOBODY
        handler.gone(reason)

    def abort(self) -> None:
        """Hang up, whatever still waits."""
        if self.socket is not None:
            self.socket.abort()
        self._owner.forget(self)

    def free(self) -> None:
        """It is over, and nothing of it is under way: hold no reference cycle."""
        self.outbox.overflow = lambda _: None
        self.outbox.taker = None
        self.polling = None

    # ---- from polling to a WebSocket

    def carried_by(self, socket: WebSocket) -> None:
        """Go on over a WebSocket, with all that waits."""
        polling, self.polling = self.polling, None
        self.outbox.has_left()
        self.outbox.rewrite(FRAMED, _framed)
        self.socket = socket
        if self.is_restricted:
            socket.restrict()
        else:
            socket.admit()
        socket.serve(self, self.outbox)
        if self._stops:
            socket.stop(self._stops)
        self._let_read()
        if polling is not None:
            polling.cut(NOOP)


def _framed(packet: bytes) -> bytes:
    """A packet of polling as the frame of a WebSocket."""
    if packet.startswith(b"b"):
        return rfc6455.encode(base64.b64decode(packet[1:]), Opcode.BINARY)
    return rfc6455.encode(packet)
