"""The namespace `/`: who logs in there is a connection of the gateway."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from protocol import codec
from protocol.connections import Transport
from protocol.errors import Code, Error, Failure, unauthenticated, unavailable
from protocol.ids import uuid7
from server.gateway.connection import BufferedConnection
from server.gateway.handshakes import Handshakes
from server.gateway.identity import Identity
from server.transport.listener import Stop
from server.transport.socketio import Refusal, SocketIOClient

_message: Final = msgspec.json.Decoder(tuple[str, msgspec.Raw])
_arguments: Final = msgspec.json.Decoder(list[msgspec.Raw])
_name: Final = msgspec.json.Decoder(str)
_STRANGER: Final = codec.reply_error(unauthenticated("not authenticated: log in first").error)
_BEFORE, _AFTER = codec.OK
_NO_BYTES: Final = Error(Code.INVALID, "binary attachments are not supported")


def _looked_at(arguments: str) -> tuple[str, msgspec.Raw | bytes]:
    """What a message holds that is not just a name and data. Raises Failure."""
    try:
        parts = _arguments.decode(arguments)
        name = _name.decode(parts[0])
    except (msgspec.ValidationError, IndexError):
        raise Failure(Error(Code.INVALID, 'a message must be ["name", {data}]')) from None
    except codec.UNREADABLE as e:
        raise codec.unreadable(e) from None
    if len(parts) > 2:
        raise Failure(Error(Code.INVALID, "a message must have one argument, its data"))
    return name, parts[1] if len(parts) == 2 else b"{}"


def _answer(ack: str, reply: bytes) -> bytes:
    return b"43%b[%b]" % (ack.encode(), reply)


class SocketIOConnection(BufferedConnection):
    """A client that speaks Socket.IO, in the namespace `/`."""

    max_attachments = 0

    def __init__(self, handshakes: Handshakes, client: SocketIOClient, identity: Identity) -> None:
        self._session = session = client.session
        super().__init__(handshakes.gateway, uuid7(), identity, session.address, session.outbox)
        self._handshakes = handshakes
        self._dispatch = handshakes.gateway.dispatch
        self._is_open = False

    @property
    def sid(self) -> str:
        """What it is called."""
        return self.id

    @property
    def transport(self) -> Transport:
        """How it is carried."""
        return Transport.POLLING if self._session.socket is None else Transport.WEBSOCKET

    def answer(self, ack: str, reply: bytes) -> None:
        """Queue the answer to a message."""
        if ack and not self.closed:
            self._session.send_packet(_answer(ack, reply))

    def reply(self, ack: str, data: bytes) -> None:
        """Queue the answer that all went well."""
        if ack and not self.closed:
            self._session.send_packet(b"43%b[%b%b%b]" % (ack.encode(), _BEFORE, data, _AFTER))

    def stop_reading(self) -> None:
        """Read nothing more, until it has less to handle."""
        super().stop_reading()
        self._session.stop(Stop.BACKLOG)

    def read_on(self) -> None:
        """Read on."""
        super().read_on()
        self._session.go_on(Stop.BACKLOG)

    def _hang_up(self) -> None:
        self._session.close()

    # ---- a member of the namespace

    async def opened(self) -> None:
        """It was told that it is in."""
        if not self.closed:
            self._is_open = True
            await self._gateway.opened(self)

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> None:
        """A message: hand it to the dispatcher, or answer what is wrong with it."""
        try:
            name, data = _message.decode(arguments)
        except codec.UNREADABLE:
            self._unusual(ack, arguments)
        else:
            self._dispatch.accept(self, name, data, ack)

    def _unusual(self, ack: str, arguments: str) -> None:
        try:
            name, data = _looked_at(arguments)
        except Failure as e:
            self._dispatch.refuse(self, e.error, ack)
        else:
            self._dispatch.accept(self, name, data, ack)

    def unattached(self, ack: str) -> None:
        """A message with attachments."""
        self._dispatch.refuse(self, _NO_BYTES, ack)

    def gone(self, reason: str) -> None:
        """It has left, or is gone."""
        self._outbox.overflow = self._session.overflowed
        if self._is_open:
            self._handshakes.left(self, reason)
        self.closed = True


Made = Callable[[Handshakes, SocketIOClient, Identity], SocketIOConnection]


class MainNamespace:
    """The namespace. `made` makes the connection of who is let in."""

    def __init__(self, handshakes: Handshakes, made: Made = SocketIOConnection) -> None:
        self._handshakes = handshakes
        self._made = made

    async def connect(self, client: SocketIOClient, auth: str) -> SocketIOConnection:
        """Take a client in. Raises Refusal."""
        try:
            given = codec.decode(object, auth) if auth else None
            identity = await self._handshakes.identify(given)
            if client.session.closed:
                raise unavailable("the connection is closed")
        except Failure as e:
            raise Refusal(e.error) from None
        return self._made(self._handshakes, client, identity)

    def stranger(self, client: SocketIOClient, ack: str) -> None:
        """A message has come from who has not logged in."""
        if ack:
            client.send(_answer(ack, _STRANGER))
        client.session.count_junk()
