"""What a handler is given: who calls, the time, the parts of the server, and the way to commit."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from protocol import codec
from protocol.times import rfc3339
from server.database import Database, Request, Work
from server.database.work import MAX_REPLY_BYTES
from server.gateway.connection import Connection
from server.gateway.identity import Identity

P = TypeVar("P")
R = TypeVar("R", bound=msgspec.Struct)


class Parts:
    """The parts of one server, by type. `app.py` puts them in."""

    def __init__(self) -> None:
        self._parts: dict[type, object] = {}

    def add(self, part: object) -> None:
        """Put a part in. One of each type."""
        self._parts[type(part)] = part

    def get(self, kind: type[P]) -> P:
        """The part of a type. Raises KeyError where `app.py` did not put it in."""
        part = self._parts[kind]
        assert isinstance(part, kind)
        return part


class Context:
    """One attempt at one message. Its time stands still, so that a decision is of one moment."""

    def __init__(
        self,
        connection: Connection,
        parts: Parts,
        database: Database | None,
        now_ms: int,
        request: Request | None,
    ) -> None:
        self.connection: Final = connection
        self._database = database
        self.now: Final = now_ms
        self.request: Final = request
        self._parts = parts
        self.kept: tuple[msgspec.Struct, bytes] | None = None
        self.after_reply: list[Callable[[], None]] = []

    @property
    def database(self) -> Database:
        """The database. There is none in conformance mode."""
        assert self._database is not None
        return self._database

    @property
    def user(self) -> Identity:
        """Who calls."""
        return self.connection.identity

    def part(self, kind: type[P]) -> P:
        """A part of the server, such as a domain's store."""
        return self._parts.get(kind)

    def work(self) -> Work:
        """A unit of work of this moment."""
        return Work(rfc3339(self.now))

    async def commit(self, work: Work, reply: R) -> R:
        """Commit a unit, publish its events, keep its reply. The last thing a handler does.

        Raises Stale (the handler runs again), Unavailable, ValueError for a reply that is too
        large to be kept.
        """
        data = codec.encode(reply)
        if self.request is not None and len(data) > MAX_REPLY_BYTES:
            raise ValueError(f"a kept reply has at most {MAX_REPLY_BYTES} bytes, not {len(data)}")
        await self.database.writer.submit(work, data, self.request)
        self.kept = (reply, data)
        return reply

    def later(self, call: Callable[[], None]) -> None:
        """Call something once the reply is in the client's queue."""
        self.after_reply.append(call)
