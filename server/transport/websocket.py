"""One open WebSocket: bytes of a transport to messages for a listener, and an outbox to bytes.

No task and no queue lie between a socket and its listener: messages are given on as they are read,
and all that was written in one turn of the event loop leaves in one piece. A closed socket holds
no reference cycle: its buffers are freed at once, without the garbage collector.
"""

import asyncio
from typing import Any, Final

from protocol.endings import RefusalReason
from server.transport import rfc6455
from server.transport.deadlines import Standstill
from server.transport.frame_reader import Broken, Control, FrameReader, Message
from server.transport.listener import Deaf, Listener, Stop
from server.transport.outbox import Outbox
from server.transport.refusals import FRAME_FAULTS, Refusals
from server.transport.rfc6455 import CloseCode, Opcode

BATCH_BYTES: Final = 64 * 1024
"""Given to a transport at once; what it can't send at once of that much, it holds."""
LINGER_S: Final = 5.0
"""How long a socket that is over may take to send what waits and to close."""
RESTRICTED_BYTES: Final = 8 * 1024
"""Of an unauthenticated client: the largest message, and as much is read at once. A log-in has less
than half of that."""
LARGE_BYTES: Final = 16 * 1024
"""From this size on, the listener is informed of a message that has begun and not ended."""
_SCRATCH: Final = memoryview(bytearray(RESTRICTED_BYTES))
"""What an unauthenticated client has sent is read into this, and copied from it at once."""
_PONG: Final = rfc6455.encode(b"", Opcode.PONG)


_DEAF: Final = Deaf()


class Turn:
    """The sockets that have something to send at the end of this turn of the event loop."""

    def __init__(self) -> None:
        self.sockets: list[WebSocket] = []

    def flush(self) -> None:
        """Send what they have."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            socket.flush()


class WebSocket(asyncio.Protocol):
    """One open WebSocket: reads for a listener, sends what lies in an outbox.

    It is read as it comes, until `restrict` is called: then a few bytes and one message at a time,
    each of RESTRICTED_BYTES at most.
    """

    __slots__ = ("_arriving", "_closing", "_is_broken", "_is_over", "_is_restricted", "_linger",
                 "_lost", "_max_bytes", "_paused", "_reader", "_refusals", "_rest", "_slow",
                 "_standstill", "_stops", "_turn", "listener", "outbox", "peers",
                 "transport")  # fmt: skip

    def __init__(
        self,
        transport: asyncio.Transport,
        peers: set[Any],
        listener: Listener,
        outbox: Outbox,
        turn: Turn,
        max_bytes: int,
        refusals: Refusals,
    ) -> None:
        self.transport = transport
        self.peers = peers
        self._refusals = refusals
        self._max_bytes = max_bytes
        self._reader = FrameReader(max_bytes)
        self._is_restricted = False
        self._rest = b""  # what was read of a restricted client and is not looked at yet
        self._stops = Stop(0)
        self._standstill: Standstill | None = None
        self._arriving = 0  # what the listener was informed of last
        self._linger: asyncio.TimerHandle | None = None
        self._turn = turn
        self._paused = False
        self._closing: bytes | None = None  # the frame that says so, until it is sent
        self._is_over = False  # nothing is heard of the peer any more once that is sent
        self._is_broken = False  # nothing that the peer sends is looked at any more
        self._slow: _Slow | None = None
        self._lost = False
        peers.add(self)
        transport.set_protocol(self)
        transport.set_write_buffer_limits(BATCH_BYTES)
        self.serve(listener, outbox)

    def serve(self, listener: Listener, outbox: Outbox) -> None:
        """Read for somebody, and send what waits there."""
        self.listener = listener
        self.outbox = outbox
        outbox.taker = self
        if len(outbox):
            self.wake()

    # ---- reading

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        if self._is_restricted:
            self._read_few(data)
            return
        messages = self._reader.feed(data)
        if not messages or self._arriving:
            self._watch()
        for message in messages:
            # Asked anew for each: it may have been closed, or given on to another listener.
            if self._closing is None and type(message) is str:
                self.listener.text(message)
            else:
                self._deliver(message)

    def _read_few(self, data: bytes) -> None:
        """Read one message after the other, while nothing stops that."""
        while data and self._is_restricted and not self._stops:
            message, data = self._reader.feed_one(data)
            if message is None:
                self._watch()
            else:
                self._deliver(message)
        if data and self._stops:
            self._rest = data
        elif data:
            self.data_received(data)

    def _deliver(self, message: Message) -> None:
        if self._closing is not None:
            if type(message) is Control and message.opcode is Opcode.CLOSE:
                self._end()
        elif type(message) is str:
            self.listener.text(message)
        elif type(message) is bytes:
            self.listener.binary(message)
        else:
            self._not_a_message(message)  # type: ignore[arg-type]

    def restrict(self) -> None:
        """The client is not authenticated: read little of it at a time."""
        self._is_restricted = True
        self._reader.limit(min(RESTRICTED_BYTES, self._max_bytes))
        if not self._lost:
            self.transport.set_protocol(_FewBytes(self))

    def admit(self) -> None:
        """The client is authenticated: read what it sends as it comes."""
        self._is_restricted = False
        self._reader.limit(self._max_bytes)
        if not self._lost:
            self.transport.set_protocol(self)

    def stop(self, why: Stop) -> None:
        """Read nothing more until `go_on` is called with the same reason; the kernel holds it."""
        if not self._stops and not self._lost:
            self.transport.pause_reading()
        if Stop.BACKLOG in why:  # a verdict takes no time to speak of
            if self._standstill is None:
                self._standstill = Standstill(self._refusals.standstill_s)
            self._standstill.begin(asyncio.get_running_loop().time())
        self._stops |= why

    def go_on(self, why: Stop) -> None:
        """A reason not to read is over. Reads on where it was the last one."""
        if not self._stops:
            return
        self._stops &= ~why
        if self._stops or self._lost:
            return
        rest, self._rest = self._rest, b""
        if rest:
            self.data_received(rest)
        if not self._stops:
            if self._standstill is not None:
                self._standstill.end(asyncio.get_running_loop().time())
            if not self.transport.is_closing():
                self.transport.resume_reading()

    @property
    def stood_still_s(self) -> float:
        """For how long the client's deadlines have stood still, in seconds: see `Standstill`."""
        if self._standstill is None:
            return 0.0
        return self._standstill.total_s(asyncio.get_running_loop().time())

    def _not_a_message(self, message: Control | Broken) -> None:
        self._watch()
        if isinstance(message, Broken):
            self._refuse(FRAME_FAULTS[message.code], message.reason)
        elif message.opcode is Opcode.PING:
            pong = rfc6455.encode(message.data, Opcode.PONG) if message.data else _PONG
            self.outbox.push(pong)
            self.listener.pinged()
        elif message.opcode is Opcode.PONG:
            self.listener.pong()
        else:
            self.outbox.clear()
            self._close(rfc6455.encode(message.data, Opcode.CLOSE))
            self._end()

    def _watch(self) -> None:
        """What has begun and not ended is to end in time."""
        unfinished = self._reader.unfinished
        if unfinished is not None and self._slow is None and not self._lost:
            self._slow = _Slow(self, unfinished)
            self._refusals.slow.begin(self._slow)
        size = self._reader.unfinished_bytes
        if size > LARGE_BYTES or self._arriving:
            self._arriving = size
            self.listener.arriving(size)

    def late(self, slow: "_Slow") -> None:
        """A message may take no longer: it ends the connection, unless it has ended itself."""
        self._slow = None
        if self._reader.unfinished is not slow.unfinished or self._is_closing:
            self._watch()
        elif (stood_still_s := self.stood_still_s) > slow.stood_still_s:
            slow.stood_still_s = stood_still_s
            self._slow = slow
            self._refusals.slow.begin(slow)
        else:
            self._refuse(RefusalReason.SLOW, RefusalReason.SLOW.words)

    def _refuse(self, reason: RefusalReason, why: str) -> None:
        """Close it for what the peer sends; whatever more comes of that is thrown away unread.

        Only our side is closed at first: were all of it closed while the peer still sends, the
        system would throw away what says why.
        """
        assert reason.close_code is not None
        self._refusals.count(reason, why)
        self._is_broken = True
        self.close(reason.close_code, why)

    # ---- writing

    def wake(self) -> None:
        """Something waits where nothing did."""
        turn = self._turn
        if not turn.sockets:
            # The first one: all send once everything is done that can be done now.
            asyncio.get_running_loop().call_soon(turn.flush)
        turn.sockets.append(self)

    def flush(self) -> None:
        """Give the transport what waits, as long as it takes it."""
        outbox, transport = self.outbox, self.transport
        if self._closing is None and not self._paused and not transport.is_closing():
            # Nearly always, and all there is in one piece.
            transport.write(outbox.take(BATCH_BYTES))
            if not outbox.queued_bytes:
                return
        if self._closing == b"":
            outbox.clear()  # nothing may come after the frame that says so: RFC 6455, 5.5.1
        while outbox.queued_bytes and not self._paused:
            if transport.is_closing():
                return
            transport.write(outbox.take(BATCH_BYTES))
        if self._is_closing and not self._paused and not transport.is_closing():
            if self._closing:
                transport.write(self._closing)
                self._closing = b""
                if self._is_broken and not self._is_over:
                    transport.write_eof()
            if self._is_over:
                transport.close()

    def pause_writing(self) -> None:
        """Part of a protocol."""
        self._paused = True

    def resume_writing(self) -> None:
        """Part of a protocol."""
        self._paused = False
        self.flush()

    @property
    def unsent(self) -> int:
        """How many bytes the transport holds."""
        return 0 if self._lost else self.transport.get_write_buffer_size()

    # ---- ending

    def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """Send what waits, say that it is over, and hang up; within LINGER_S in any case.

        The peer says so too before the transport is closed: while it still sends, closing would
        have the system throw away what it has not read.
        """
        if not self._is_closing and not self._lost:
            self._close(rfc6455.encode_close(code, reason))

    @property
    def _is_closing(self) -> bool:
        return self._closing is not None

    def _close(self, frame: bytes) -> None:
        self._closing = frame
        self._linger = asyncio.get_running_loop().call_later(LINGER_S, self.abort)
        self._reader.skim()
        if self._stops:  # the peer's close is behind what was not read
            self._rest = b""
            self.go_on(self._stops)
        self.wake()

    def _end(self) -> None:
        """The peer has said its last."""
        self._is_over = True
        self.wake()

    def abort(self) -> None:
        """Hang up, whatever still waits."""
        if not self._lost:
            self.transport.abort()

    def shutdown(self) -> None:
        """Part of what uvicorn asks of a connection: whoever listens closes it, as ever."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol. Gives up every reference that would hold what is not needed now."""
        self._lost = True
        if self._slow is not None:
            self._refusals.slow.end(self._slow)
            self._slow = None
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        self._reader = FrameReader(0)
        self._rest = b""
        self.peers.discard(self)
        self.outbox.taker = None
        listener, self.listener = self.listener, _DEAF
        listener.lost()


class _FewBytes(asyncio.BufferedProtocol):
    """Reads RESTRICTED_BYTES at a time for a WebSocket; what more has come stays in the kernel."""

    __slots__ = ("_socket",)

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read to."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes have come."""
        self._socket.data_received(bytes(_SCRATCH[:nbytes]))

    def pause_writing(self) -> None:
        """Part of a protocol."""
        self._socket.pause_writing()

    def resume_writing(self) -> None:
        """Part of a protocol."""
        self._socket.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol."""
        self._socket.connection_lost(exc)


class _Slow:
    """A message that has begun and not ended, and has so long to."""

    __slots__ = ("_socket", "stood_still_s", "unfinished")

    def __init__(self, socket: WebSocket, unfinished: object) -> None:
        self._socket = socket
        self.unfinished = unfinished
        self.stood_still_s = socket.stood_still_s

    def expire(self) -> None:
        """It is late."""
        self._socket.late(self)
