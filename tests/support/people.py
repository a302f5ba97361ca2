"""People who have registered and are connected."""

from typing import Any, ClassVar

import pytest

from protocol.auth import LoggedIn, Register
from protocol.client import register
from protocol.ids import uuid7
from tests.support.official import OfficialClient
from tests.support.server import Server
from tests.support.talk import Talk
from tests.support.wire import NotLetIn, Transport, Wire

PASSWORD = "correct horse"


class Person(Talk):
    """Somebody with a connection: what is sent and received is seen as it is.

    Socket.IO is carried by python-socketio's own client, so that one that others have written is
    content with the server too; `/ws` by a wire. `transport` is for whoever is told no other.
    """

    transport: ClassVar[Transport] = "websocket"

    def __init__(self, url: str, logged_in: LoggedIn | None = None) -> None:
        super().__init__()
        self.url = url
        self.logged_in = logged_in
        self.client: OfficialClient | Wire | None = None

    @property
    def id(self) -> str:
        """The person's id, and their player's."""
        assert self.logged_in is not None
        return self.logged_in.user.id

    @property
    def _open(self) -> OfficialClient | Wire:
        assert self.client is not None, "nobody has connected"
        return self.client

    async def connect(
        self,
        transport: Transport | None = None,
        *,
        headers: dict[str, str] | None = None,
        **auth: str,
    ) -> "Person":
        """Connect with the access token, or with what is given. Raises NotLetIn."""
        if self.logged_in is not None and not auth:
            auth = {"token": self.logged_in.tokens.access_token}
        chosen = transport or self.transport
        if chosen == "plain":
            self.client = await Wire.open(self.url, chosen, headers=headers)
            self._hear(self.client)
            reply = await self.client.log_in(auth)
            if not reply["ok"]:
                raise NotLetIn(reply["error"])
        else:
            self.client = OfficialClient()
            self._hear(self.client)
            await self.client.connect(self.url, chosen, auth, headers)
        return self

    def _hear(self, client: Talk) -> None:
        self.events, self._changed = client.events, client._changed

    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""
        return await self._open.call(name, data, **fields)

    async def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        """Send a message that asks for no answer."""
        await self._open.tell(name, data, **fields)

    async def mumble(self, words: str) -> None:
        """Say something that is no message, with these words in it."""
        await self._open.mumble(words)

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._open.is_open

    async def until_closed(self) -> None:
        """Wait until the connection has ended."""
        await self._open.until_closed()

    async def close(self) -> None:
        """Disconnect, and wait until that is done."""
        if self.client is not None:
            await self.client.close()


async def turned_away(person: Person, **auth: str) -> dict[str, Any]:
    """Connecting must be refused. Returns the error."""
    with pytest.raises(NotLetIn) as refused:
        await person.connect(**auth)
    await person.close()
    return refused.value.error


async def handshake(url: str, transport: Transport, auth: object) -> dict[str, Any]:
    """What comes of logging in with anything, over a connection of its own: a reply."""
    nobody = await Wire.open(url, transport)
    reply = await nobody.log_in(auth)
    await nobody.close()
    return reply


async def registered(url: str, username: str | None = None) -> LoggedIn:
    """Somebody new."""
    name = username or f"p{uuid7().replace('-', '')[-18:]}"
    return await register(url, Register(name, PASSWORD))


async def connected(url: str) -> Person:
    """Somebody new who is connected."""
    return await Person(url, await registered(url)).connect()


async def service_key(server: Server, *scopes: str) -> str:
    """A new service key, made on the command line beside the running server."""
    arguments = [word for scope in scopes for word in ("--scope", scope)]
    output = await server.command("service-key", "add", f"service {uuid7()}", *arguments)
    return output.strip()
