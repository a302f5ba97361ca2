"""A connection without a socket: what is sent to it is heard as a client would hear it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from protocol import codec
from protocol.ids import uuid7
from protocol.permissions import Role, granted
from server.app import App
from server.gateway import Identity
from server.gateway.connection import Connection
from server.transport.outbox import Frame
from tests.support.folds import Told


def player(ident: str, name: str = "somebody") -> Identity:
    """Somebody who plays."""
    return Identity(ident, name, granted(Role.PLAYER), Role.PLAYER)


class Answer(NamedTuple):
    """The answer to a message, in its place among the events."""

    name: str
    data: dict[str, Any]
    answer: dict[str, Any]


class Ear(Connection):
    """One connection of a server in this process. `heard` are events and answers in their order."""

    def __init__(self, app: App, identity: Identity) -> None:
        super().__init__(uuid7(), identity, "", app.clock.now_ms())
        self.heard: list[Told | Answer] = []
        self.spare = super().spare_bytes()
        self._app = app
        self._told = asyncio.Event()
        self._asked: dict[str, Callable[[bytes], None]] = {}

    async def open(self) -> "Ear":
        """Connect."""
        await self._app.gateway.opened(self)
        return self

    async def gone(self) -> None:
        """Be found gone."""
        self.closed = True
        await self._app.gateway.closed(self, "test")

    def send(self, frame: Frame) -> None:
        """Hear an event, unless this is closed."""
        if self.closed:
            return
        name, data, meta = json.loads(frame.packet[2:])
        self._hear(Told(name, data, meta))

    def answer(self, ack: str, reply: bytes) -> None:
        """Hear an answer."""
        self._asked.pop(ack)(reply)

    def spare_bytes(self) -> int:
        """As a test has set it."""
        return self.spare

    def close(self) -> None:
        """Be closed by the server."""
        self.closed = True
        self._told.set()

    def evict(self, reason: str) -> None:
        """Be let go."""
        self.close()

    def check(self) -> None:
        """There is nothing that it could be late with."""

    def _hear(self, item: Told | Answer) -> None:
        self.heard.append(item)
        self._told.set()

    def ask(self, name: str, **fields: Any) -> "asyncio.Future[dict[str, Any]]":
        """Send a message. The answer is heard, and given."""
        answered: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def reply(raw: bytes) -> None:
            answer = json.loads(raw)
            self._hear(Answer(name, fields, answer))
            answered.set_result(answer)

        ack = uuid7()
        self._asked[ack] = reply
        self._app.gateway.dispatch.accept(self, name, codec.encode(fields), ack)
        return answered

    async def ok(self, name: str, **fields: Any) -> Any:
        """The data of an answer that must be one."""
        answer = await self.ask(name, **fields)
        assert answer["ok"], answer
        return answer["data"]

    def numbers(self, room: str) -> list[int]:
        """The numbers of the kept events of a room, as they came."""
        return [
            told.meta["seq"]
            for told in self.heard
            if isinstance(told, Told) and told.meta["room"] == room and "seq" in told.meta
        ]

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait until something is heard."""
        async with asyncio.timeout(10):
            while not seen():
                self._told.clear()
                await self._told.wait()
