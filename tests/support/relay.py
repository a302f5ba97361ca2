"""A TCP relay between clients and a server: a network that a test can break."""

import asyncio
import socket
import struct
from collections import deque
from typing import Final, Self

HOST: Final = "127.0.0.1"
SEGMENT_BYTES: Final = 1000
"""On loopback a segment is 64 KiB, and each socket buffers megabytes of them."""
_RESET: Final = struct.pack("ii", 1, 0)


class _End(asyncio.Protocol):
    """One of the two sockets of a link."""

    def __init__(self, link: "_Link", name: str) -> None:
        self.link = link
        self.name = name
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.name == "client":
            self.link.begin()

    def data_received(self, data: bytes) -> None:
        self.link.pass_on(self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.link.ended(self)


class _Link:
    """A client's connection and the one to the server that it goes on in."""

    def __init__(self, relay: "Relay") -> None:
        self.relay = relay
        self.client = _End(self, "client")
        self.server = _End(self, "server")
        self.left = {self.server: relay.down, self.client: relay.up}
        self.reset = True
        self.dead = False
        self._early = b""
        self._last: _End | None = None  # where the last bytes came from
        self._late: dict[_End, deque[bytes]] = {self.client: deque(), self.server: deque()}

    def begin(self) -> None:
        """A client is there."""
        self.relay.begun(self)

    async def reach(self) -> None:
        """Go on to the server."""
        loop = asyncio.get_running_loop()
        there = socket.socket()
        there.setblocking(False)
        there.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT_BYTES)
        there.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * SEGMENT_BYTES)
        try:
            await loop.sock_connect(there, (HOST, self.relay.server_port))
            await loop.create_connection(lambda: self.server, sock=there)
        except OSError:
            there.close()
            self.sever()
            return
        if self.dead and self not in self.relay.links:
            self.sever()
        elif self.dead:
            self.freeze()
        elif self._early and self.server.transport is not None:
            early, self._early = self._early, b""
            self._pass(self.client, early)

    def pass_on(self, source: _End, data: bytes) -> None:
        """Bytes from one end to the other; the link breaks where a break was asked for."""
        if self.dead:
            return
        if source is self.client and self._last is not source:
            self.relay.round_trips += 1
        self._last = source
        if self.relay.delay_s or self._late[source]:
            self._late[source].append(data)
            loop = asyncio.get_running_loop()
            loop.call_later(self.relay.delay_s, self._pass_late, source)
        else:
            self._pass(source, data)

    def _pass_late(self, source: _End) -> None:
        self._pass(source, self._late[source].popleft())

    def _pass(self, source: _End, data: bytes) -> None:
        if self.dead:
            return
        left = self.left[source]
        target = self.server if source is self.client else self.client
        if target.transport is None:
            self._early += data
            return
        if left is not None and len(data) >= left:
            target.transport.write(data[:left])
            self.sever()
            return
        if left is not None:
            self.left[source] = left - len(data)
        target.transport.write(data)

    def freeze(self) -> None:
        """Pass nothing on any more, for ever, and tell neither end."""
        self.dead = True
        for end in (self.client, self.server):
            if end.transport is not None and not end.transport.is_closing():
                end.transport.pause_reading()

    def sever(self, *ends: _End) -> None:
        """End its sockets at once, or one of them."""
        self.dead = True
        for end in ends or (self.client, self.server):
            if end.transport is not None:
                if self.reset and not end.transport.is_closing():
                    end.transport.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, _RESET
                    )
                end.transport.abort()
        if not ends:
            self.relay.links.discard(self)

    def ended(self, end: _End) -> None:
        """One end has closed: so does the other, unless the network would not have said so."""
        if self.dead:
            return
        self.dead = True
        other = self.server if end is self.client else self.client
        if other.transport is not None:
            other.transport.close()
        self.relay.links.discard(self)


class Relay:
    """Listens on a port of its own and passes everything on to a server, until told otherwise.

    `delay_s` is how long bytes are under way, in each direction. `round_trips` counts how often
    clients have sent something after they were answered.
    """

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.delay_s = 0.0
        self.round_trips = 0
        self.url = ""
        self.links: set[_Link] = set()
        self.begun_at: list[float] = []  # when clients connected and got through, loop time
        self.down: int | None = None
        self.up: int | None = None
        self._is_cut = False
        self._listener: asyncio.Server | None = None
        self._reaching: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(lambda: _Link(self).client, HOST, 0)
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://{HOST}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._reaching):
            task.cancel()
        for link in list(self.links):
            link.sever()
        await asyncio.sleep(0)  # transports close in the turn after

    def begun(self, link: _Link) -> None:
        """A client has connected."""
        self.links.add(link)
        if self._is_cut:
            link.freeze()
            return
        self.begun_at.append(asyncio.get_running_loop().time())
        task = asyncio.create_task(link.reach())
        self._reaching.add(task)
        task.add_done_callback(self._reaching.discard)

    def cut(self) -> None:
        """Nothing passes any more and nobody is told; who connects from now reaches nobody."""
        self._is_cut = True
        for link in self.links:
            link.freeze()

    def heal(self) -> None:
        """Who connects from now on gets through. What was cut stays dead, and silent."""
        self._is_cut = False

    def sever(self, *, reset: bool = True) -> None:
        """End all connections at once, with RST or in a well-behaved way."""
        for link in list(self.links):
            link.reset = reset
            link.sever()

    def sever_clients(self) -> None:
        """End the clients' side of all connections. The server is not told, as after a cut."""
        for link in list(self.links):
            link.freeze()
            link.sever(link.client)

    def sever_after(self, *, down: int | None = None, up: int | None = None) -> None:
        """End each connection, also new ones, once so many bytes have gone down it, or up."""
        self.down, self.up = down, up
        for link in self.links:
            link.left = {link.server: down, link.client: up}

    def hold(self) -> None:
        """Read nothing more from the server: soon its sockets are full."""
        for link in self.links:
            if link.server.transport is not None:
                link.server.transport.pause_reading()

    def let_go(self) -> None:
        """Read on."""
        for link in self.links:
            if link.server.transport is not None and not link.dead:
                link.server.transport.resume_reading()
