"""People who have registered and are connected."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import socketio

from protocol.auth import LoggedIn, Register
from protocol.client import register
from protocol.ids import uuid7
from tests.support.server import Server

PASSWORD = "correct horse"
ANSWERS_WITHIN_S = 10
AGAIN_MS = 100


class Person:
    """Somebody with a raw connection: what is sent and received is seen as it is."""

    def __init__(self, url: str, logged_in: LoggedIn | None = None) -> None:
        self.url = url
        self.logged_in = logged_in
        self.events: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._changed = asyncio.Event()
        self.gone = asyncio.Event()
        self.sio = socketio.AsyncClient(reconnection=False)
        self.sio.on("*", self._event)
        self.sio.on("disconnect", lambda *_: self.gone.set())

    @property
    def id(self) -> str:
        """The person's id, and their player's."""
        assert self.logged_in is not None
        return self.logged_in.user.id

    async def connect(self, *transports: str, **auth: str) -> "Person":
        """Connect with the access token, or with what is given."""
        if self.logged_in is not None and not auth:
            auth = {"token": self.logged_in.tokens.access_token}
        await self.sio.connect(
            self.url, auth=auth, transports=list(transports or ("websocket",)), retry=False
        )
        return self

    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message with a number for its answer, and wait for that."""
        given = fields if data is None else data
        answer: dict[str, Any] = await self.sio.call(name, given, timeout=ANSWERS_WITHIN_S)
        return answer

    async def patiently(self, name: str, **fields: Any) -> dict[str, Any]:
        """Send a message, again whenever the server says that it was too much at once."""
        while True:
            answer = await self.call(name, **fields)
            if answer["ok"] or answer["error"]["code"] != "rate_limited":
                return answer
            await asyncio.sleep(answer["error"]["retry_after_ms"] / 1000)

    async def ok(self, name: str, **fields: Any) -> Any:
        """The data of an answer that must be one."""
        answer = await self.patiently(name, **fields)
        assert answer["ok"], answer
        return answer["data"]

    async def refused(self, name: str, **fields: Any) -> tuple[str, str | None]:
        """The code and the reason of an answer that must be an error."""
        answer = await self.patiently(name, **fields)
        assert not answer["ok"], answer
        return answer["error"]["code"], answer["error"].get("reason")

    async def _event(self, name: str, data: Any = None, meta: Any = None) -> None:
        self.events.append((name, data, meta))
        self._changed.set()

    async def until(self, seen: Callable[[], Any]) -> Any:
        """Wait until something is seen among the events."""
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            while not (found := seen()):
                self._changed.clear()
                await self._changed.wait()
            return found

    def named(self, name: str) -> list[dict[str, Any]]:
        """The data of all events of a name."""
        return [data for event, data, _ in self.events if event == name]

    async def until_event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Wait for an event with these fields."""
        found: dict[str, Any] = await self.until(
            lambda: next(
                (
                    data
                    for data in self.named(name)
                    if all(data.get(k) == v for k, v in fields.items())
                ),
                None,
            )
        )
        return found

    async def close(self) -> None:
        """Disconnect, and wait for the transport: the client tells of its end before that."""
        await self.sio.shutdown()
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await self.sio.eio.disconnect()
            await self.sio.eio.wait()


async def turned_away(person: Person, *transports: str, **auth: str) -> None:
    """Connecting must be refused."""
    with pytest.raises(socketio.exceptions.ConnectionError):
        await person.connect(*transports, **auth)
    await person.close()


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
