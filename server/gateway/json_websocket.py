"""The plain WebSocket: one JSON object a message, for clients that speak no Socket.IO.

`/ws`, and `/ws/<kind>/<id>`, which joins that room as if the client's first message had asked for
it, with the id 0.
"""

import asyncio
from operator import attrgetter
from typing import Final

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from protocol import codec
from protocol.connections import Transport
from protocol.endings import RefusalReason
from protocol.errors import Code, Error, Failure, invalid, unauthenticated
from protocol.ids import MAX_SAFE, uuid7
from server.gateway.connection import BufferedConnection, bounds_of
from server.gateway.handshakes import Handshakes, credentials_of, room_of
from server.gateway.identity import Identity
from server.runtime.status import STATUS, headers
from server.transport import rfc6455
from server.transport.deadlines import Heartbeat
from server.transport.engineio_server import AllowsOrigin
from server.transport.handshake import take_over
from server.transport.limits import JunkLimit, address_of
from server.transport.listener import Stop
from server.transport.outbox import Form, Outbox, OutboxLimits
from server.transport.rfc6455 import CloseCode, Opcode
from server.transport.socketio import TWICE
from server.transport.websocket import Turn, WebSocket

LOGIN: Final = "auth.login"
_PING: Final = rfc6455.encode(b"", Opcode.PING)
_REASONS: Final = {
    Code.FORBIDDEN: RefusalReason.ORIGIN,
    Code.UNAUTHENTICATED: RefusalReason.UNAUTHENTICATED,
}
"""What a refused handshake counts as."""
NO_ID: Final = "null"
"""The id of a reply to something whose id can't be read."""
_OK: Final = b'{"id":%b,' + codec.OK[0][1:] + b"%b" + codec.OK[1]
"""A reply that all went well, for its id and its data."""
_PLAIN: Final[Form] = attrgetter("plain")


class ClientMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client sends. Without an id it is not answered."""

    type: str
    id: int | None = None
    data: msgspec.Raw = msgspec.Raw(b"{}")


class _Numbered(msgspec.Struct, frozen=True):
    """The id of a message in which something else is wrong."""

    id: int | None = None


class LoginReply(msgspec.Struct, frozen=True):
    """The answer to a first message that logs in."""

    connection_id: str


_decode: Final = codec.decoder(ClientMessage).decode


def _reply_frame(ack: str, reply: bytes) -> bytes:
    """A reply as a frame: the id, then the reply's own fields."""
    return rfc6455.encode(b'{"id":%b,%b' % (ack.encode(), reply[1:]))


def _ack_of(ident: int | None) -> str:
    """How an id is written. Raises Failure `invalid`."""
    if ident is None:
        return ""
    if not 0 <= ident <= MAX_SAFE:
        raise invalid("id", f"must be from 0 to {MAX_SAFE}")
    return str(ident)


def _ack_in(text: str) -> str:
    """The id of a message that can't be read, where that can be."""
    try:
        return _ack_of(codec.decode(_Numbered, text).id) or NO_ID
    except Failure:
        return NO_ID


class PlainConnection(BufferedConnection):
    """A client of the plain WebSocket that has logged in."""

    def __init__(
        self, handshakes: Handshakes, socket: WebSocket, identity: Identity, address: str
    ) -> None:
        super().__init__(handshakes.gateway, uuid7(), identity, address, socket.outbox)
        self._socket = socket

    @property
    def transport(self) -> Transport:
        """How it is carried."""
        return Transport.PLAIN

    def answer(self, ack: str, reply: bytes) -> None:
        """Queue the answer to a message."""
        if ack and not self.closed:
            self._outbox.push(_reply_frame(ack, reply))

    def reply(self, ack: str, data: bytes) -> None:
        """Queue the reply that all went well."""
        if ack and not self.closed:
            self._outbox.push(rfc6455.encode(_OK % (ack.encode(), data)))

    def stop_reading(self) -> None:
        """Read nothing more, until it has less to handle."""
        super().stop_reading()
        self._socket.stop(Stop.BACKLOG)

    def read_on(self) -> None:
        """Read on."""
        super().read_on()
        self._socket.go_on(Stop.BACKLOG)

    def _hang_up(self) -> None:
        gone = CloseCode.SERVICE_RESTART if self._gateway.draining else CloseCode.POLICY
        self._socket.close(gone)


class JsonWebSocket:
    """One WebSocket: what it sends before it has logged in, and after."""

    def __init__(self, server: "PlainWebSocket", address: str, room: str | None) -> None:
        self._server = server
        self.room = room
        self.address = address
        self._dispatch = server.handshakes.gateway.dispatch
        self._unauthenticated = server.handshakes.gateway.refusals.unauthenticated
        self._given_up = False
        self._connection: PlainConnection | None = None
        self._junk: JunkLimit | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.socket: WebSocket | None = None
        self.gone = False

    # ---- its WebSocket

    def text(self, text: str) -> None:
        """A message."""
        try:
            message = _decode(text)
            ack = _ack_of(message.id)
        except (Failure, *codec.UNREADABLE) as e:
            failure = e if isinstance(e, Failure) else codec.unreadable(e)
            self._refuse(failure.error, _ack_in(text))
            return
        if message.type == LOGIN and self._connection is not None:
            self._refuse(TWICE, ack)
        elif self._connection is not None:
            self._dispatch.accept(self._connection, message.type, message.data, ack)
        elif message.type == LOGIN:
            assert self.socket is not None
            self.socket.stop(Stop.VERDICT)  # what follows stays where it is
            self._unauthenticated.checking(self)
            self._server.handshakes.spawn(self._log_in(message.data, ack))
        else:
            self._refuse(unauthenticated("not authenticated: log in first").error, ack)

    def binary(self, data: bytes) -> None:
        """No message."""
        self._refuse(Error(Code.INVALID, "a message must be text"), NO_ID)

    def pinged(self) -> None:
        """It asks whether we are there."""
        self._count_junk()

    def pong(self) -> None:
        """It is there."""
        if not self._server.heartbeat.answered(self):
            self._count_junk()

    def arriving(self, size: int) -> None:
        """So many bytes are held of a message that has not ended."""
        if self._connection is not None:
            self._connection.arriving(size)

    def _count_junk(self) -> None:
        """Something came that is no message of anybody. Too much of that ends it."""
        if self._junk is None:
            self._junk = JunkLimit()
        if self._junk.exceeds():
            self._give_up(RefusalReason.FLOODING)

    def lost(self) -> None:
        """It is gone."""
        if self.gone:
            return
        self.gone = True
        self._server.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        connection = self._connection
        if connection is not None:
            self._server.handshakes.left(connection, "transport close")
        # It holds no reference cycle: what it held is freed at once.
        assert self.socket is not None
        self.socket.outbox.overflow = lambda _: None
        self.socket = self._connection = None

    # ---- its heartbeat

    def ping(self) -> None:
        """Ask whether it is there."""
        if self.socket is not None:
            self.socket.outbox.push(_PING)

    def silent(self) -> None:
        """It was not there."""
        self._give_up(RefusalReason.PING_TIMEOUT)

    @property
    def stood_still_s(self) -> float:
        """For how long its deadlines have stood still: see `Standstill`."""
        return 0.0 if self.socket is None else self.socket.stood_still_s

    # ---- logging in

    def expect_login(self, timeout_s: float) -> None:
        """It has so long to log in by a message."""
        assert self.socket is not None
        self.socket.restrict()
        self._unauthenticated.add(self, self.address)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(timeout_s, self._give_up, RefusalReason.NO_LOGIN)

    def give_way(self) -> None:
        """Others wait to connect, and this one is not authenticated yet."""
        self._give_up(RefusalReason.TOO_MANY_UNAUTHENTICATED)

    async def _log_in(self, data: msgspec.Raw, ack: str) -> None:
        try:
            identity = await self._server.handshakes.identify(codec.decode(object, data))
        except Failure as e:
            self._refuse(e.error, ack)
        else:
            if not self.gone:
                await self.opened(identity, ack)
        if self.socket is not None:
            self._unauthenticated.not_accepted(self)
            self.socket.go_on(Stop.VERDICT)

    async def opened(self, identity: Identity, ack: str = "") -> None:
        """It has logged in."""
        assert self.socket is not None
        if self._timer is not None:
            self._timer.cancel()
        gateway = self._server.handshakes.gateway
        try:
            gateway.admission.check(identity)
        except Failure as e:  # others came in while its handshake was answered
            self.socket.close(CloseCode.POLICY, e.error.message)
            return
        connection = PlainConnection(self._server.handshakes, self.socket, identity, self.address)
        connection.answer(ack, codec.reply_ok(LoginReply(connection.id)))
        self._connection = connection
        self.socket.admit()
        self._unauthenticated.discard(self)
        if self.room is not None:
            data = msgspec.Raw(codec.encode({"room": self.room}))
            self._dispatch.accept(connection, "rooms.join", data, "0")
        await gateway.opened(connection)

    def _refuse(self, error: Error, ack: str) -> None:
        if self._connection is not None:
            self._dispatch.refuse(self._connection, error, ack)
        elif self.socket is not None:
            if ack:
                self.socket.outbox.push(_reply_frame(ack, codec.reply_error(error)))
            self._count_junk()

    def _give_up(self, reason: RefusalReason, why: str = "") -> None:
        """End it for what the client does, or fails to do."""
        assert reason.close_code is not None
        if self._given_up or self.socket is None:
            return
        self._given_up = True
        self._server.handshakes.gateway.refusals.count(reason, why)
        self.socket.close(reason.close_code, why or reason.words)

    def hang_up(self) -> None:
        """The server closes."""
        if self.socket is not None:
            self.socket.close(CloseCode.SERVICE_RESTART)

    def overflowed(self, _: object) -> None:
        """Too much waits, and nobody has logged in who could be told so."""
        self._server.handshakes.gateway.refusals.count(RefusalReason.UNREAD)
        self.abort()

    def abort(self) -> None:
        """Hang up, whatever still waits."""
        if self.socket is not None:
            self.socket.abort()


class PlainWebSocket:
    """All plain WebSockets. An ASGI application for what lies under `/ws`."""

    def __init__(self, handshakes: Handshakes, allows_origin: AllowsOrigin) -> None:
        gateway = handshakes.gateway
        self.handshakes = handshakes
        settings = gateway.settings
        self.max_bytes = settings.max_message_bytes
        self.heartbeat = Heartbeat(
            settings.ping_interval_ms / 1000, settings.ping_timeout_ms / 1000
        )
        self._settings = settings
        self._allows_origin = allows_origin
        self._bounds: OutboxLimits = bounds_of(gateway)
        self._turn = Turn()
        self._clients: set[JsonWebSocket] = set()
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        try:
            room, given = self._asked(scope)
            with self.handshakes.gateway.admission.place(address_of(scope)):
                identity = None if given is None else await self.handshakes.identify(given)
                await receive()
                await send({"type": "websocket.accept"})
                client = self._serve(scope, room)
        except Failure as e:
            response = Response(
                codec.reply_error(e.error),
                STATUS[e.error.code],
                headers(e.error),
                "application/json",
            )
            await response(scope, receive, send)
            return
        if identity is None:
            client.expect_login(self._settings.connect_timeout_ms / 1000)
        else:
            await client.opened(identity)

    def _asked(self, scope: Scope) -> tuple[str | None, dict[str, str] | None]:
        """The room that a handshake names, and who it says it is. Raises Failure."""
        try:
            return room_of(scope["path"]), self._given(scope)
        except Failure as e:
            reason = _REASONS.get(e.error.code, RefusalReason.BAD_REQUEST)
            self.handshakes.gateway.refusals.count(reason, e.error.message)
            raise

    def _given(self, scope: Scope) -> dict[str, str] | None:
        """What the handshake itself says of who it is. Raises Failure."""
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not self._allows_origin(origin, scope):
            raise Failure(Error(Code.FORBIDDEN, "this origin is not allowed"))
        if scope["type"] != "websocket":
            raise Failure(Error(Code.INVALID, "this address requires a WebSocket"))
        return credentials_of(scope, self._settings.allow_token_in_address)

    def _serve(self, scope: Scope, room: str | None) -> JsonWebSocket:
        """Take a client in that has its place."""
        client = JsonWebSocket(self, address_of(scope), room)
        outbox = Outbox(self._bounds, _PLAIN)
        outbox.overflow = client.overflowed  # until it logs in
        self._clients.add(client)
        self._empty.clear()
        client.socket = take_over(scope, client, outbox, self._turn, self.max_bytes)
        self.heartbeat.start(client)
        return client

    def forget(self, client: JsonWebSocket) -> None:
        """A client is gone."""
        self.heartbeat.stop(client)
        self.handshakes.gateway.refusals.unauthenticated.discard(client)
        self._clients.discard(client)
        self.handshakes.gateway.admission.leave(client.address)
        if not self._clients:
            self._empty.set()

    async def close(self, timeout_s: float) -> None:
        """Hang up on everybody, and see them off; what is not gone by then is cut off."""
        for client in list(self._clients):
            client.hang_up()
        if self._clients:
            try:
                await asyncio.wait_for(self._empty.wait(), timeout_s)
            except TimeoutError:
                for client in list(self._clients):
                    client.abort()
