"""The namespaces of the official Socket.IO suite: they say back what they hear.

`/` answers a load generator as well: see `messages.py`.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from protocol import codec
from protocol.endings import RefusalReason
from protocol.errors import Failure
from protocol.ids import uuid7
from server.gateway.handshakes import Handshakes
from server.gateway.identity import Identity
from server.gateway.main_namespace import MainNamespace, SocketIOConnection
from server.transport.packet import MAIN, PacketType, build
from server.transport.socketio import MAX_ATTACHMENTS, Refusal, SocketIOClient

AUTH_AFTER_S: Final = 0.1
"""The suite listens for one frame at a time, and misses the second of two that come at once."""
_SPOKEN: Final = '["message'
_arguments: Final = msgspec.json.Decoder(list[msgspec.Raw])


class NamespaceEcho:
    """Says back what a client says in a namespace."""

    def __init__(self, client: SocketIOClient, space: str, auth: str) -> None:
        self._client = client
        self._space = space
        self._auth = auth or "{}"
        self._timer: asyncio.TimerHandle | None = None

    def greet(self) -> None:
        """Say soon what the client has given to be let in.

        Not to one that speaks first: a load generator would count that as one of its events.
        """
        self._timer = asyncio.get_running_loop().call_later(AUTH_AFTER_S, self._greet)

    def _greet(self) -> None:
        payload = f'["auth",{self._auth}]'.encode()
        self._client.send(build(PacketType.EVENT, self._space, payload))

    def quiet(self) -> None:
        """Do not greet any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> bool:
        """Answer `message` and `message-with-ack`. Returns whether it was one of them.

        What is no event at all ends the session, as the protocol has it. The server's own `/`
        answers it, or passes it over.
        """
        try:
            name, *rest = map(bytes, _arguments.decode(arguments))
        except (*codec.UNREADABLE, ValueError):
            name, rest = b"", []
        if not name.startswith(b'"'):
            self._client.session.refuse(RefusalReason.PARSE_ERROR)
            return True
        if name == b'"message"':
            self._send(PacketType.EVENT, "", [b'"message-back"', *rest], attachments)
        elif name == b'"message-with-ack"':
            self._send(PacketType.ACK, ack, rest, attachments)
        else:
            return False
        return True

    def _send(
        self, kind: PacketType, ack: str, parts: list[bytes], attachments: Sequence[bytes]
    ) -> None:
        payload, number = b"[%b]" % b",".join(parts), len(attachments)
        if number:
            kind = PacketType.BINARY_EVENT if kind is PacketType.EVENT else PacketType.BINARY_ACK
        self._client.send(build(kind, self._space, payload, ack, number))
        for attachment in attachments:
            self._client.session.send(attachment)


class EchoMember:
    """A client in a namespace that has nothing else."""

    max_attachments = MAX_ATTACHMENTS

    def __init__(self, client: SocketIOClient, space: str, auth: str) -> None:
        self.sid = uuid7()
        self._echo = NamespaceEcho(client, space, auth)

    async def opened(self) -> None:
        """It was told that it is in."""
        self._echo.greet()

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> None:
        """An event: another one is not answered."""
        self._echo.event(ack, arguments, attachments)

    def unattached(self, ack: str) -> None:
        """Too many attachments: not answered."""

    def arriving(self, size: int) -> None:
        """Part of a message has come."""

    def gone(self, reason: str) -> None:
        """It has left."""
        self._echo.quiet()


class EchoNamespace:
    """Lets everybody in."""

    def __init__(self, space: str) -> None:
        self._space = space

    async def connect(self, client: SocketIOClient, auth: str) -> EchoMember:
        """Take a client in. Raises Refusal where what it gives is no JSON."""
        try:
            if auth:
                codec.decode(object, auth)
        except Failure as e:
            raise Refusal(e.error) from None
        return EchoMember(client, self._space, auth)

    def stranger(self, client: SocketIOClient, ack: str) -> None:
        """An event has come from who is not in it: not answered."""


class MainMember(SocketIOConnection):
    """A client in `/`: the gateway's own connection, that says back as well."""

    max_attachments = MAX_ATTACHMENTS

    def __init__(self, handshakes: Handshakes, client: SocketIOClient, identity: Identity) -> None:
        super().__init__(handshakes, client, identity)
        self._client = client
        self._echo: NamespaceEcho | None = None

    def reply(self, ack: str, data: bytes) -> None:
        """Queue the answer that all went well: bare, as a generator expects it of any server."""
        if ack and not self.closed:
            self._session.send_packet(b"43%b[%b]" % (ack.encode(), data))

    def let_in(self, auth: str) -> None:
        """What it has given to be let in."""
        self._echo = NamespaceEcho(self._client, MAIN, auth)

    async def opened(self) -> None:
        """It was told that it is in."""
        await super().opened()
        if self._echo is not None:
            self._echo.greet()

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> None:
        """An event: for the suite, or a message for the dispatcher."""
        if self._echo is not None:
            self._echo.quiet()
            ours = attachments or not arguments.startswith('["') or arguments.startswith(_SPOKEN)
            if ours and self._echo.event(ack, arguments, attachments):
                return
            self._echo = None  # it is no suite's client, and speaks like any other from now on
        super().event(ack, arguments, attachments)

    def gone(self, reason: str) -> None:
        """It has left."""
        if self._echo is not None:
            self._echo.quiet()
        super().gone(reason)


class SuiteNamespace(MainNamespace):
    """The namespace `/`."""

    def __init__(self, handshakes: Handshakes) -> None:
        super().__init__(handshakes, MainMember)

    async def connect(self, client: SocketIOClient, auth: str) -> SocketIOConnection:
        """Take a client in. Raises Refusal."""
        member = await super().connect(client, auth)
        if isinstance(member, MainMember):
            member.let_in(auth)
        return member
