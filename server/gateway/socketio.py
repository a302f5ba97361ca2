"""Socket.IO, by python-socketio: handshake, polling, WebSocket and upgrade are its own.

Messages take our path as text, before its handlers: they are decoded once, straight into their
types, and answered always. What a client has yet to get lies in our outbox, which stands in the
place of the queue of an Engine.IO socket. `tests/unit/test_socketio_contract.py` holds every
name of python-socketio and python-engineio that is relied on here.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable
from typing import Any, Final

import engineio
import msgspec
import orjson
import socketio
from engineio.async_socket import AsyncSocket
from engineio.packet import NOOP, Packet
from socketio.packet import CONNECT_ERROR
from starlette.types import Receive, Scope, Send

from protocol import codec
from protocol.errors import Code, Error, Failure, not_found, unauthenticated, unavailable
from protocol.gateway import Evicted, EvictionReason
from protocol.ids import uuid7
from server.database import Unavailable
from server.gateway.connection import Call, Connection, Traffic
from server.gateway.engineio import drivers
from server.gateway.frame import Frame, announcement
from server.gateway.gateway import Gateway
from server.gateway.identity import Identity
from server.gateway.outbox import Outbox
from server.gateway.polling import PYTHON_MAX_PACKETS, Polling, is_python, session_of
from server.runtime.log import logger

log = logger("gateway")

LINGER_S: Final = 5.0
"""How long a session that is over may take to send what waits and to close."""
MAX_NAMESPACE: Final = 100
_HEAD: Final = re.compile(r"(?:2|5\d*-)(\d{0,100})(?!\d)", re.ASCII)
"""A message as far as its ack id; what comes with attachments says first with how many."""
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
        outbox.overflow = self.evict

    def send(self, frame: Frame) -> None:
        """Queue an event."""
        if not self.closed:
            self._outbox.push_frame(frame)

    def spare_bytes(self) -> int:
        """How much may be queued for it at once, without its being let go soon."""
        return self._outbox.spare_bytes

    @property
    def upgraded(self) -> bool:
        """Whether it is a WebSocket."""
        socket = self._server.eio.sockets.get(self._eio_sid)
        return socket is not None and bool(socket.upgraded)

    @property
    def traffic(self) -> Traffic:
        """How it is doing."""
        outbox = self._outbox
        return Traffic(outbox.waiting, outbox.queued_bytes, outbox.sent)

    def answer(self, ack: str, reply: bytes) -> None:
        """Queue the answer to the message with that ack id."""
        if ack and not self.closed:
            self._outbox.push(f"3{ack}[{reply.decode()}]")

    def close(self) -> None:
        """Answer nothing more, send what is queued, then close."""
        if not self.closed:
            self.closed = True
            self.inbox.clear()
            self._server.spawn(self._server.hang_up(self._eio_sid))

    def evict(self, reason: EvictionReason) -> None:
        """Drop what is queued, say why, and close."""
        if self.closed:
            return
        log.info("evicted", connection=self.id, person=self.identity.id, reason=reason)
        gateway = self._server.gateway
        gateway.gauges.evicted.labels(reason).inc()
        self._outbox.clear()
        self.send(announcement(Evicted(reason=reason), gateway.timestamp()))
        self.close()

    def check(self) -> None:
        """Evict it where it takes nothing of what waits for it."""
        self._outbox.check()


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
        is_poll = scope.get("method") == "GET"
        if socket is not None and socket.closed:
            self.sockets.pop(session)  # python-engineio would find it, and fail
            socket = None
        if socket is None or socket.upgraded or not is_poll:
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
        settings, gauges = self.gateway.settings, self.gateway.gauges
        outbox = Outbox(
            settings.outbox_limit_bytes, settings.outbox_stall_s, self.gateway.clock.monotonic
        )
        outbox.on_drop = lambda delivery: gauges.dropped.labels(delivery).inc()
        return outbox

    def _log_error_once(self, message: str, message_key: str) -> None:
        """Log a kind of error once, without `message`: there are words of the client in it."""
        if message_key not in self.log_message_keys:
            self.log_message_keys.add(message_key)
            log.warning("transport_refused", why=message_key)


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """The Socket.IO server of a gateway."""

    def __init__(self, gateway: Gateway, allows_origin: Callable[[str, dict[str, Any]], bool]):
        self.gateway = gateway
        self._connections: dict[str, SocketIOConnection] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        super().__init__(
            async_mode="asgi",
            json=_Json,
            # With True or False they would write to stderr past our log.
            logger=logging.getLogger("socketio"),
            engineio_logger=logging.getLogger("engineio"),
            cors_allowed_origins=allows_origin,
            max_http_buffer_size=gateway.settings.max_message_bytes,
            ping_interval=gateway.settings.ping_interval_s,
            ping_timeout=gateway.settings.ping_timeout_s,
        )
        self.eio.gateway = gateway
        self.eio._async = drivers(lambda session: session in self.eio.sockets)
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

    async def close(self, timeout_s: float) -> None:
        """Hang up on everybody, also on those who have not logged in, and see them off."""
        for eio_sid in list(self.eio.sockets):
            await self.hang_up(eio_sid)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._tasks:
                    await asyncio.wait(list(self._tasks))

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
        except Unavailable as e:
            raise _refusal(unavailable(f"the database: {e}")) from None
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

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> None:
        await super()._handle_eio_connect(eio_sid, environ)
        outbox = self.eio.sockets[eio_sid].queue
        outbox.overflow = lambda _: self.spawn(self.hang_up(eio_sid))  # until it logs in

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        await super()._handle_eio_disconnect(eio_sid, reason)
        # Engine.IO looks for those that are over now and then, and trips over them until then.
        socket = self.eio.sockets.pop(eio_sid, None)
        if socket is None:
            return
        # Who does not read would keep its transport, and what that holds, for as long as it likes.
        asyncio.get_running_loop().call_later(LINGER_S, socket.queue.abort)
        if not socket.upgraded:
            socket.queue.put_nowait(Packet(NOOP))  # lets a poll go that would wait for nothing

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        if not isinstance(data, str):
            return  # an attachment of a message that was refused when announced; or no packet
        if eio_sid not in self.environ:
            return  # the session is over
        match data[:1]:
            case "2" | "5":
                self._message(eio_sid, data)
            case "0":
                await self._log_in(eio_sid, data)
            case "1" if data[:2] != "1/":
                await self._handle_disconnect(eio_sid, "/", self.reason.CLIENT_DISCONNECT)
            case _:
                pass  # an answer, and we ask nothing; or no packet

    async def _log_in(self, eio_sid: str, packet: str) -> None:
        """`0{…}`: python-socketio asks who it is. What it can't read is refused before."""
        space, payload = "/", packet[1:]
        if payload.startswith("/"):
            space, _, payload = payload.partition(",")
        try:
            if space.partition("?")[0] != "/":
                raise not_found("namespace")
            if self.manager.sid_from_eio_sid(eio_sid, "/") is not None:
                raise Failure(Error(Code.INVALID, "this connection has logged in already"))
            auth = codec.decode(object, payload) if payload else None
        except Failure as e:
            words = {"message": e.error.message, "data": msgspec.to_builtins(e.error)}
            packet = self.packet_class(CONNECT_ERROR, words, space[:MAX_NAMESPACE]).encode()
            self._push(eio_sid, packet)
            return
        await self._handle_connect(eio_sid, "/", auth)

    def _push(self, eio_sid: str, text: str) -> None:
        """Send something to whoever is there, logged in or not."""
        socket = self.eio.sockets.get(eio_sid)
        if socket is not None:
            socket.queue.push(text)

    def _message(self, eio_sid: str, packet: str) -> None:
        """`2<ack id>["name",{…}]`: hand it to the dispatcher, or answer what is wrong with it."""
        head = _HEAD.match(packet)
        if head is None or packet.startswith("/", head.end()):
            return  # no message; or of another namespace, and nobody is connected to any
        connection = self._connections.get(eio_sid)
        if connection is None:
            if head[1]:
                error = codec.reply_error(unauthenticated("log in first").error)
                self._push(eio_sid, f"3{head[1]}[{error.decode()}]")
            return
        try:
            if packet[0] == "5":  # python-socketio would hold as many as a client announces
                raise Failure(Error(Code.INVALID, "binary attachments are not taken"))
            name, data = self._parse(packet[head.end() :])
        except Failure as e:
            self.gateway.dispatch.refuse(connection, e.error, head[1])
            return
        clock = self.gateway.clock
        self.gateway.dispatch.accept(connection, Call(name, data, head[1], clock.monotonic()))

    @staticmethod
    def _parse(arguments: str) -> tuple[str, msgspec.Raw | bytes]:
        """The name and the data of a message; no data is an empty object. Raises Failure."""
        try:
            parts = _arguments.decode(arguments)
            name = _name.decode(parts[0])
        except (msgspec.ValidationError, IndexError):
            raise Failure(Error(Code.INVALID, 'a message is ["name", {data}]')) from None
        except codec.UNREADABLE as e:
            raise codec.unreadable(e) from None
        if len(parts) > 2:
            raise Failure(Error(Code.INVALID, "a message has one argument, its data"))
        return name, parts[1] if len(parts) == 2 else b"{}"
