"""Socket.IO, by python-socketio: handshake, polling, WebSocket and upgrade are its own.

Messages take our path as text, before its handlers: they are decoded once, straight into their
types, and answered always. What a client has yet to get lies in our outbox, which stands in the
place of the queue of an Engine.IO socket. `tests/unit/test_socketio_contract.py` holds every
name of python-socketio and python-engineio that is relied on here.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final

import engineio
import msgspec
import orjson
import socketio
from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, Packet
from starlette.types import Receive, Scope, Send

from protocol import codec
from protocol.errors import Code, Error, Failure, unavailable
from protocol.gateway import Evicted
from protocol.ids import uuid7
from server.gateway.connection import Call, Connection
from server.gateway.frame import Frame, announcement
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.gateway.outbox import Outbox
from server.gateway.polling import PYTHON_MAX_PACKETS, Polling, is_python, session_of
from server.runtime.log import logger

log = logger("gateway")

MAX_ACK_DIGITS: Final = 15
_ANNOUNCED: Final = re.compile(r"5\d+-(\d{0,15})\[", re.ASCII)
_arguments: Final = msgspec.json.Decoder(list[msgspec.Raw])
_name: Final = msgspec.json.Decoder(str)


def _refusal(failure: Failure) -> Exception:
    """What python-socketio makes a `connect_error` of: the message, and the error as its data."""
    error = msgspec.to_builtins(failure.error)
    refusal: Exception = socketio.exceptions.ConnectionRefusedError(failure.error.message, error)
    return refusal


class _Json:
    """orjson in the shape that python-socketio asks of its `json`."""

    loads = staticmethod(orjson.loads)
    JSONDecodeError = orjson.JSONDecodeError

    @staticmethod
    def dumps(value: object, **_: object) -> str:
        """Encode without spaces."""
        return orjson.dumps(value).decode()


class SocketIOConnection(Connection):
    """A client that speaks Socket.IO."""

    def __init__(
        self, server: "Server", eio_sid: str, outbox: Outbox, identity: Identity, address: str
    ) -> None:
        super().__init__(uuid7(), identity, address, server.gateway.clock.now_ms())
        self._server = server
        self._eio_sid = eio_sid
        self._outbox = outbox
        outbox.overflow = self._evict

    def send(self, frame: Frame) -> None:
        """Queue an event."""
        self._outbox.push_frame(frame)

    def spare_bytes(self) -> int:
        """How much may be queued for it at once, without its being let go soon."""
        return self._outbox.spare_bytes

    def replier(self, ack_id: str) -> Callable[[bytes], None]:
        """What writes the answer to the message with this ack id; none was asked for with ""."""

        def reply(answer: bytes) -> None:
            if ack_id:
                self._outbox.push(f"3{ack_id}[{answer.decode()}]")

        return reply

    def close(self) -> None:
        """Answer nothing more, send what is queued, then close."""
        if not self.closed:
            self.closed = True
            self.inbox.clear()
            self._server.spawn(self._server.hang_up(self._eio_sid))

    def _evict(self, reason: str) -> None:
        if self.closed:
            return
        log.info("evicted", connection=self.id, person=self.identity.id, reason=reason)
        gateway = self._server.gateway
        gateway.gauges.evicted.labels(reason).inc()
        self._outbox.clear()
        self._outbox.overflowed = False
        self._outbox.overflow = None
        self.send(announcement(Evicted(reason=reason), gateway.timestamp()))
        self.close()


class _EngineServer(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO whose sockets take from our outboxes, and end where a poll may be lost."""

    gateway: Gateway

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._polling = Polling(self._break)

    async def handle_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        session = session_of(scope)
        socket = self.sockets.get(session) if session is not None else None
        if socket is not None and socket.closed:
            self.sockets.pop(session)  # python-engineio would find it, and fail
            socket = None
        if socket is None or socket.upgraded:
            await super().handle_request(scope, receive, send)
        else:
            await self._polling.handle(socket, super().handle_request, scope, receive, send)

    async def _break(self, socket: AsyncSocket) -> None:
        """Something may be lost on its way to a client."""
        if not socket.upgraded:
            await socket.close(wait=False, abort=True, reason=self.reason.TRANSPORT_ERROR)
            self.sockets.pop(socket.sid, None)

    def create_queue(self, *_: object, **__: object) -> Outbox:
        """The queue of a new socket."""
        settings = self.gateway.settings
        return Outbox(
            settings.outbox_limit_bytes, settings.outbox_stall_s, self.gateway.clock.monotonic
        )


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO server of a gateway."""

    def __init__(self, gateway: Gateway, allows_origin: Callable[[str, dict[str, Any]], bool]):
        self.gateway = gateway
        self._connections: dict[str, SocketIOConnection] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        super().__init__(
            async_mode="asgi",
            json=_Json,
            logger=False,
            cors_allowed_origins=allows_origin,
            max_http_buffer_size=gateway.settings.max_message_bytes,
            ping_interval=gateway.settings.ping_interval_s,
            ping_timeout=gateway.settings.ping_timeout_s,
        )
        self.eio.gateway = gateway
        self.on("connect", self._connected)
        self.on("disconnect", self._disconnected)

    def _engineio_server_class(self) -> type[_EngineServer]:
        return _EngineServer

    async def hang_up(self, eio_sid: str) -> None:
        """Send what is queued, then close the transport.

        Without a CLOSE packet: JavaScript's client ignores it and stays, Python's takes it as a
        reason not to come back.
        """
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            await socket.close(wait=False, abort=True, reason=self.eio.reason.SERVER_DISCONNECT)
            socket.queue.put_nowait(None)

    def spawn(self, work: Any) -> None:
        """Run something to its end in the background."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connected(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        try:
            identity = await self.gateway.authenticate(auth)
        except Failure as e:
            raise _refusal(e) from None
        except Exception:
            log.exception("handshake_failed")
            raise _refusal(unavailable("who connects can't be looked up")) from None
        socket: AsyncSocket | None = self.eio.sockets.get(eio_sid)
        if socket is None or socket.closed:
            raise _refusal(unavailable("the connection is gone"))
        client = environ["asgi.scope"].get("client")
        address = client[0] if client else ""
        if not socket.upgraded and is_python(environ.get("HTTP_USER_AGENT", "")):
            socket.queue.batch_packets = PYTHON_MAX_PACKETS
        connection = SocketIOConnection(self, eio_sid, socket.queue, identity, address)
        self._connections[eio_sid] = connection
        await self.gateway.opened(connection)
        if socket.closed:  # python-socketio tells nobody: for it this was no connection yet
            await self._disconnected(sid, self.reason.TRANSPORT_CLOSE)

    async def _disconnected(self, sid: str, reason: str) -> None:
        eio_sid = self.manager.eio_sid_from_sid(sid, "/")
        connection = self._connections.pop(eio_sid, None)
        if connection is not None:
            connection.closed = True
            self.spawn(self.gateway.closed(connection, reason))

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None and not socket.upgraded:
            socket.queue.put_nowait(Packet(NOOP))  # lets a poll go that would wait for nothing

    async def _handle_eio_message(self, eio_sid: str, data: str | bytes) -> None:
        if isinstance(data, bytes):
            return  # an attachment of a message that was refused when it was announced
        connection = self._connections.get(eio_sid)
        match data[:1]:
            case "2" if connection is not None:
                self._message(connection, data)
            case "5" if connection is not None:
                self._refuse_attachments(connection, data)
            case "2" | "5" | "6":
                pass  # not logged in; or an answer with attachments, and we ask nothing
            case _:
                await super()._handle_eio_message(eio_sid, data)

    @staticmethod
    def _refuse_attachments(connection: SocketIOConnection, packet: str) -> None:
        """`5<count>-<ack id>[…]`: python-socketio would hold as many as a client announces."""
        found = _ANNOUNCED.match(packet)
        error = Error(Code.INVALID, "binary attachments are not taken")
        connection.replier(found[1] if found else "")(codec.reply_error(error))

    def _message(self, connection: SocketIOConnection, packet: str) -> None:
        """`2<ack id>["name",{…}]`: hand it to the dispatcher, or answer what is wrong with it."""
        start = packet.find("[", 1)
        ack_id = packet[1:start] if start > 0 else packet[1:]
        if ack_id.startswith("/"):
            return  # another namespace: there is none, so nobody is connected to it
        if not (ack_id.isascii() and ack_id.isdecimal() and len(ack_id) <= MAX_ACK_DIGITS):
            ack_id = ""
        reply = connection.replier(ack_id)
        try:
            name, data = self._parse(packet[start:] if start > 0 else "")
        except Failure as e:
            reply(codec.reply_error(e.error))
            return
        clock = self.gateway.clock
        self.gateway.dispatch.accept(connection, Call(name, data, reply, clock.monotonic()))

    @staticmethod
    def _parse(arguments: str) -> tuple[str, msgspec.Raw | bytes]:
        """The name and the data of a message; no data is an empty object. Raises Failure."""
        try:
            parts = _arguments.decode(arguments)
            name = _name.decode(parts[0])
        except (msgspec.DecodeError, IndexError, RecursionError, UnicodeError):
            raise Failure(Error(Code.INVALID, 'a message is ["name", {data}]')) from None
        if len(parts) > 2:
            raise Failure(Error(Code.INVALID, "a message has one argument, its data"))
        return name, parts[1] if len(parts) == 2 else b"{}"
