"""The same as a follower, by protocol.client."""

import asyncio
from collections.abc import Callable
from typing import Any, Self

import msgspec

from protocol.auth import LoggedIn
from protocol.client import Client, Received
from protocol.errors import Error, Failure
from protocol.gateway import Joined
from protocol.ids import uuid7
from protocol.message import find
from tests.support.folds import Told
from tests.support.follower import WITHIN_S, Followed


class ClientFollower:
    """A person who is in rooms by protocol.client."""

    def __init__(
        self, url: str, logged_in: LoggedIn, *rooms: str, transport: str = "websocket"
    ) -> None:
        self.id = logged_in.user.id
        self.rooms = {room: Followed(room) for room in rooms}
        self.gone: list[tuple[str, Error]] = []
        self._token = logged_in.tokens.access_token
        self._changed = asyncio.Event()
        self.client = Client(
            url,
            self._give_token,
            on_event=self._on_event,
            on_joined=self._on_joined,
            on_gone=lambda room, why: self.gone.append((room, why)),
            transports=(transport,),
        )

    async def __aenter__(self) -> Self:
        await self.client.connect()
        for room in self.rooms:
            await self.client.join(room)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    async def _give_token(self) -> str:
        return self._token

    def _on_event(self, received: Received) -> None:
        meta = msgspec.to_builtins(received.meta)
        if (followed := self.rooms.get(meta["room"])) is not None:
            followed.told(Told(received.name, received.data, meta))
        self._changed.set()

    def _on_joined(self, joined: Joined) -> None:
        self.rooms[joined.room].joined(msgspec.to_builtins(joined))
        self._changed.set()

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Carry out a command once, however often it takes. Returns the answer."""
        spec = find(name)
        assert spec is not None
        fields.setdefault("request_id", uuid7())
        command: Any = msgspec.convert(fields, spec.type)
        try:
            return {"ok": True, "data": msgspec.to_builtins(await self.client.send(command))}
        except Failure as e:
            return {"ok": False, "error": msgspec.to_builtins(e.error)}

    async def until(self, seen: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something is seen."""
        async with asyncio.timeout(within_s):
            while not seen():
                self._changed.clear()
                await self._changed.wait()
