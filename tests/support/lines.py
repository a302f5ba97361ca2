"""Connections without a network: what they are told is remembered."""

import asyncio
from typing import Any

import msgspec

from protocol.errors import Failure
from protocol.gateway import EvictionReason
from protocol.ids import uuid7
from server.app import App
from server.gateway import Identity
from server.gateway.connection import Connection
from server.transport.outbox import Frame


class Line(Connection):
    """One client of a server in this process."""

    def __init__(self, identity: Identity, address: str = "203.0.113.7") -> None:
        super().__init__(uuid7(), identity, address, 0)
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.gone = asyncio.Event()
        self._answers: dict[str, bytes] = {}

    def send(self, frame: Frame) -> None:
        """Remember an event."""
        name, data, _ = msgspec.json.decode(frame.packet[2:])
        self.told.append((name, data))

    def answer(self, ack: str, reply: bytes) -> None:
        """Remember an answer."""
        self._answers[ack] = reply

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True
        self.inbox.clear()
        self.gone.set()

    def evict(self, reason: EvictionReason) -> None:
        """Remember why."""
        self.told.append(("server.evicted", {"reason": reason}))
        self.close()

    def check(self) -> None:
        """It takes all at once."""

    @property
    def ended(self) -> str | None:
        """Why its rights ended; None while it is open."""
        reasons = [data["reason"] for name, data in self.told if name == "auth.expired"]
        assert len(reasons) == int(self.closed)
        return reasons[0] if reasons else None

    async def call(self, app: App, name: str, **fields: Any) -> dict[str, Any]:
        """Send a message down the path of every message. Returns its answer.

        Raises ConnectionError where there is none, as the connection was closed before.
        """
        ack = uuid7()
        app.gateway.dispatch.accept(self, name, msgspec.json.encode(fields), ack)
        await app.gateway.dispatch.settle(self)
        if ack not in self._answers:
            raise ConnectionError
        answer: dict[str, Any] = msgspec.json.decode(self._answers.pop(ack))
        return answer


async def line(app: App, **auth: str) -> Line:
    """Authenticate and open, as the transports do: nothing comes between the two."""
    opened = Line(await app.gateway.authenticate(auth))
    await app.gateway.opened(opened)
    return opened


async def accepted(app: App, **auth: object) -> bool:
    """Whether somebody would be let in with this."""
    try:
        await app.gateway.authenticate(auth)
    except Failure as e:
        assert e.error.code == "unauthenticated"
        return False
    return True
