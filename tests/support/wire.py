"""Socket.IO as it is on the wire, over WebSocket or polling, with nothing that comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import aiohttp

from protocol.ids import uuid7

HANDSHAKE_S = 5
CLOSING = aiohttp.ClientWSTimeout(ws_close=0.1)
"""A dead peer's goodbye is not waited for."""
SEPARATOR = "\x1e"


class Broken(Exception):
    """The connection has ended, however it did."""


class Refused(Exception):
    """The server has answered the handshake with a no that will stay one."""


class Wire(Protocol):
    """An open connection."""

    async def send(self, packet: str) -> None:
        """Send a packet of Engine.IO. Raises Broken."""
        ...

    async def receive(self) -> list[str]:
        """The next packets, at least one. Raises Broken."""
        ...


class _Socket:
    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def send(self, packet: str) -> None:
        try:
            await self._socket.send_str(packet)
        except (aiohttp.ClientError, OSError) as e:
            raise Broken from e

    async def close(self) -> None:
        await self._socket.close()

    async def receive(self) -> list[str]:
        try:
            message = await self._socket.receive()
        except (aiohttp.ClientError, OSError) as e:
            raise Broken from e
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Broken(message.type)
        return [message.data]


class _Polling:
    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self.url = url
        self._posting = asyncio.Lock()

    async def send(self, packet: str) -> None:
        try:
            async with self._posting, self._http.post(self.url, data=packet) as answer:
                if answer.status != 200:
                    raise Broken(answer.status)
                await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise Broken from e

    async def close(self) -> None:
        pass

    async def receive(self) -> list[str]:
        try:
            async with self._http.get(f"{self.url}&t={uuid7()}") as answer:
                text = await answer.text()
                if answer.status != 200:
                    raise Broken(answer.status)
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise Broken from e
        return text.split(SEPARATOR)


@asynccontextmanager
async def opened(url: str, token: str, transport: str) -> AsyncIterator[tuple[Wire, float]]:
    """A connection that has logged in, and how long the server may be silent, seconds.

    Raises Broken, Refused.
    """
    address = f"{url}/socket.io/?EIO=4&transport={transport}"
    # Of its own, so that no connection of before is used again.
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as http:
        wire: _Socket | _Polling
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                if transport == "polling":
                    wire = _Polling(http, address)
                else:
                    wire = _Socket(await http.ws_connect(address, timeout=CLOSING))
                first, *rest = await wire.receive()
                hello = json.loads(first[1:])
                if isinstance(wire, _Polling):
                    wire.url = f"{address}&sid={hello['sid']}"
                await wire.send(f"40{json.dumps({'token': token})}")
                answer, *rest = rest or await wire.receive()
        except (aiohttp.ClientError, OSError, TimeoutError) as e:
            raise Broken from e
        if answer.startswith("44"):
            raise Broken(answer) if '"code":"unavailable"' in answer else Refused(answer)
        assert answer.startswith("40"), answer
        assert not rest, rest
        try:
            yield wire, (hello["pingInterval"] + hello["pingTimeout"]) / 1000
        finally:
            await wire.close()


def parse(packet: str) -> tuple[str, int | None, list[Any]]:
    """What a packet of Socket.IO is ("42", "43"), its number, and its arguments."""
    start = packet.find("[")
    number = packet[2:start]
    return packet[:2], int(number) if number else None, json.loads(packet[start:])
