"""Polls: a session ends where an answer may have been lost on its way, and its client resumes.

Browsers and HTTP libraries send a request again, unasked, where its connection broke under it.
The first answer to a poll would be lost with all that it held, and the session would go on as if
nothing were missing. So a session ends where a poll breaks off before its answer, where a second
one comes while the first waits, and where one is sent again: clients give each a `t` of its own.
Source: engine.io's server does the first two, `lib/transports/polling.ts`; python-engineio does
none of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qs
from weakref import WeakKeyDictionary

from engineio.async_socket import AsyncSocket
from starlette.types import Message, Receive, Scope, Send

PYTHON_MAX_PACKETS: Final = 16
"""In one answer to python-engineio's clients: with more they end the session, again and again."""

Handle = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Asked(NamedTuple):
    session: str
    stamp: str


class _Poll:
    """The poll of a session that waits or was answered last."""

    def __init__(self, stamp: str) -> None:
        self.stamp = stamp
        self.waits = True


def session_of(scope: Scope) -> str | None:
    """The session that a request by polling belongs to, None for any other."""
    if scope["type"] != "http":
        return None
    return _asked(scope).session or None


def is_python(user_agent: str) -> bool:
    """Whether it is a client of python-engineio: of aiohttp or of requests."""
    return user_agent.lower().startswith("python")


def _asked(scope: Scope) -> _Asked:
    query = parse_qs(scope["query_string"].decode("latin-1"))
    return _Asked(query.get("sid", [""])[0], query.get("t", [""])[0])


class Polling:
    """The polls of all sessions. `end` ends a session."""

    def __init__(self, end: Callable[[AsyncSocket], Awaitable[None]]) -> None:
        self._end = end
        self._polls: WeakKeyDictionary[AsyncSocket, _Poll] = WeakKeyDictionary()

    async def handle(
        self, socket: AsyncSocket, handle: Handle, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer a poll of a session, by `handle`."""
        stamp, before = _asked(scope).stamp, self._polls.get(socket)
        if before is not None and (before.waits or (stamp and stamp == before.stamp)):
            await self._end(socket)  # for what is over, `handle` answers 400
        poll = self._polls[socket] = _Poll(stamp)
        request: list[Message] = [await receive()]

        async def received() -> Message:
            return request.pop() if request else await receive()

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.body":
                poll.waits = False  # now: the next one may be here before we go on
            await send(message)

        watching = asyncio.create_task(self._watch(socket, poll, receive))
        try:
            await handle(scope, received, sent)
        finally:
            watching.cancel()

    async def _watch(self, socket: AsyncSocket, poll: _Poll, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            continue
        if poll.waits:
            await self._end(socket)
