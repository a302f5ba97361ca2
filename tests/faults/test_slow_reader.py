"""Clients that do not read: let go with their reason, and nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support.outside import metric, peak_memory, sockets, until
from tests.support.people import registered
from tests.support.polling import Polling
from tests.support.server import Server
from tests.support.websocket import SlowSocket, WebSocket
from tests.support.wire import Transport, Wire

SPEAKERS = 8
SHOUT_BYTES = 50_000
VOLUME_BYTES = 10 * 1024 * 1024
MEMORY_BYTES = 4 * 1024 * 1024
ENDED_WITHIN_S = 15
TINY = 4096
"""A receive buffer that fills at once."""

over_both = pytest.mark.parametrize("transport", ["websocket", "plain"], ids=["socketio", "plain"])


class Room:
    """A room of people who read what they tell each other."""

    def __init__(self, server: Server, speakers: list[Wire]) -> None:
        assert server.process is not None
        self.server = server
        self.pid = server.process.pid
        self.speakers = speakers
        self.shouts = 0
        self.guests: list[Wire] = []

    async def shout(self, volume: int = VOLUME_BYTES) -> None:
        """Tell everybody in the room so many bytes."""

        async def speak(speaker: Wire, times: int) -> None:
            for _ in range(times):
                self.shouts += 1
                await speaker.ok("tests.shout", size=SHOUT_BYTES, mark=str(self.shouts))

        times = -(-volume // SHOUT_BYTES // SPEAKERS)
        await asyncio.gather(*(speak(speaker, times) for speaker in self.speakers))

    async def enter(
        self,
        transport: Transport = "websocket",
        socket: type[WebSocket] = WebSocket,
        receive_buffer: int = TINY,
    ) -> Wire:
        """Somebody new in the room."""
        token = (await registered(self.server.url)).tokens.access_token
        guest = await Wire.connect(
            *(self.server.url, transport),
            token=token,
            receive_buffer=receive_buffer,
            socket=socket,
        )
        self.guests.append(guest)
        await guest.ok("rooms.join", room="battles")
        return guest

    async def enter_stuck(self, transport: Transport) -> Wire:
        """Somebody new in the room, who stops reading."""
        stuck = await self.enter(transport)
        stuck.stop_reading()
        return stuck

    async def evicted(self, reason: str) -> float:
        """How many were let go for a reason."""
        return await metric(self.server.url, f'warroom_evicted_total{{reason="{reason}"}}')

    async def gone(self, before: int) -> None:
        """Wait until the server has no more sockets than before."""

        async def gone() -> bool:
            return sockets(self.pid) <= before

        await until(gone, ENDED_WITHIN_S)

    def heard_all(self) -> None:
        """Every speaker has heard every shout, each once."""
        for speaker in self.speakers:
            marks = [shouted["mark"] for shouted in speaker.named("tests.shouted")]
            assert sorted(map(int, marks)) == list(range(1, self.shouts + 1))
            assert not speaker.named("server.evicted")


@asynccontextmanager
async def room(path: Path, **settings: str) -> AsyncIterator[Room]:
    async with Server(path / "data", "tests.support.loud_server", **settings) as server:
        speakers = []
        for _ in range(SPEAKERS):
            token = (await registered(server.url)).tokens.access_token
            speakers.append(await Wire.connect(server.url, token=token))
            await speakers[-1].ok("rooms.join", room="battles")
        people = Room(server, speakers)
        try:
            yield people
        finally:
            for someone in (*people.guests, *speakers):
                await someone.drop()
    assert "Traceback" not in server.log.read_text()


@over_both
async def test_who_never_reads_costs_little_and_is_gone_in_time(
    tmp_path: Path, transport: Transport
) -> None:
    async with room(tmp_path) as people:
        await people.shout()
        peak_memory(people.pid)
        await people.shout()
        without = peak_memory(people.pid)
        before = sockets(people.pid)
        await people.enter_stuck(transport)
        assert sockets(people.pid) == before + 1
        await people.shout()
        assert peak_memory(people.pid) - without <= MEMORY_BYTES
        assert await people.evicted("too_many_bytes") == 1
        await people.gone(before)
        people.heard_all()
        said = [line for line in people.server.logged() if line["event"] == "evicted"]
        assert [line["reason"] for line in said] == ["too_many_bytes"]


@over_both
async def test_who_reads_again_finds_the_reason_behind_all_else(
    tmp_path: Path, transport: Transport
) -> None:
    async with room(tmp_path) as people:
        for speaker in people.speakers:
            await speaker.ok("rooms.leave", room="battles")
        stuck = await people.enter_stuck(transport)
        await people.speakers[0].ok("tests.shout", size=SHOUT_BYTES, times=40)
        assert await people.evicted("too_many_bytes") == 1
        stuck.read_on()
        async with asyncio.timeout(ENDED_WITHIN_S):
            await stuck.until_closed()
        # The room of battles tells of more than shouts.
        names = [name for name, _, _ in stuck.events if name != "battles.counted"]
        assert names == ["tests.shouted"] * (len(names) - 1) + ["server.evicted"]
        assert stuck.events[-1][1] == {"reason": "too_many_bytes"}


@over_both
async def test_who_takes_nothing_is_let_go_though_nothing_more_comes(
    tmp_path: Path, transport: Transport
) -> None:
    async with room(tmp_path, OUTBOX_STALL_S="1") as people:
        stuck = await people.enter_stuck(transport)
        await people.shout(700_000)

        async def let_go() -> bool:
            return await people.evicted("no_progress") == 1

        await until(let_go, ENDED_WITHIN_S)
        stuck.read_on()
        async with asyncio.timeout(ENDED_WITHIN_S):
            await stuck.until_closed()
        assert stuck.events[-1][:2] == ("server.evicted", {"reason": "no_progress"})


async def test_who_reads_slowly_but_steadily_stays(tmp_path: Path) -> None:
    async with room(tmp_path, OUTBOX_STALL_S="1") as people:
        slow = await people.enter(socket=SlowSocket, receive_buffer=16_384)
        loop = asyncio.get_running_loop()
        started = loop.time()
        await people.speakers[0].ok("tests.shout", size=900_000)
        await slow.until(lambda: slow.named("tests.shouted"))
        assert loop.time() - started > 2, "that was no slow reader"
        assert await people.evicted("no_progress") == 0


async def enter_polling(http: aiohttp.ClientSession, url: str) -> Polling:
    """Somebody new in the room, who polls when told to."""
    token = (await registered(url)).tokens.access_token
    polling = await Polling(http, url).log_in(token=token)
    await polling.post('421["rooms.join",{"room":"battles"}]')
    while not [packet for packet in (await polling.poll()).packets if packet.startswith("431[")]:
        pass
    return polling


async def test_who_does_not_poll_is_let_go(tmp_path: Path) -> None:
    async with room(tmp_path) as people:
        url = people.server.url
        await people.shout()
        peak_memory(people.pid)
        await people.shout()
        without = peak_memory(people.pid)
        async with aiohttp.ClientSession() as http:
            polling = await enter_polling(http, url)
            assert await metric(url, "warroom_connections") == SPEAKERS + 1
            await people.shout()
            assert peak_memory(people.pid) - without <= MEMORY_BYTES
            assert await people.evicted("too_many_bytes") == 1
            assert await metric(url, "warroom_connections") == SPEAKERS
            status, packets = await polling.poll()
            assert (status, len(packets)) == (200, 1), packets
            assert packets[0].startswith('42["server.evicted",{"reason":"too_many_bytes"}')
            assert (await polling.poll()).status == 400
        people.heard_all()


async def test_who_upgrades_and_never_reads_is_gone_in_time(tmp_path: Path) -> None:
    async with room(tmp_path) as people:
        async with aiohttp.ClientSession() as http:
            polling = await enter_polling(http, people.server.url)
        before = sockets(people.pid)
        stuck = await Wire.upgrade(people.server.url, polling.sid, receive_buffer=TINY)
        people.guests.append(stuck)
        await stuck.ok("players.get")
        stuck.stop_reading()
        await people.shout()
        assert await people.evicted("too_many_bytes") == 1
        await people.gone(before)


async def test_who_has_not_logged_in_and_never_reads_is_gone_in_time(tmp_path: Path) -> None:
    async with room(tmp_path) as people:
        before = sockets(people.pid)
        peak_memory(people.pid)
        stranger = await Wire.open(people.server.url, receive_buffer=TINY)
        people.guests.append(stranger)
        stranger.stop_reading()
        for _ in range(20_000):  # each is refused, in words
            stranger.send("40{}")
        await people.gone(before)


async def test_who_polls_and_never_reads_the_answer_is_gone_in_time(tmp_path: Path) -> None:
    async with room(tmp_path, PING_INTERVAL_MS="1000", PING_TIMEOUT_MS="1000") as people:
        before = sockets(people.pid)
        async with aiohttp.ClientSession() as http:
            polling = await enter_polling(http, people.server.url)
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY)
        asking.setblocking(False)
        loop = asyncio.get_running_loop()
        query = f"EIO=4&transport=polling&sid={polling.sid}"
        await people.speakers[0].ok("tests.shout", size=900_000)
        poll = f"GET /socket.io/?{query} HTTP/1.1\r\nHost: warroom\r\n\r\n".encode()
        try:
            await loop.sock_connect(asking, ("127.0.0.1", people.server.port))
            await loop.sock_sendall(asking, poll)
            assert await loop.sock_recv(asking, 1) == b"H", "the answer has begun"
            await people.gone(before)
        finally:
            asking.close()


@over_both
async def test_who_answers_no_ping_is_gone_in_time(tmp_path: Path, transport: Transport) -> None:
    async with room(tmp_path, PING_INTERVAL_MS="1000", PING_TIMEOUT_MS="1000") as people:
        before = sockets(people.pid)
        await people.enter_stuck(transport)
        assert sockets(people.pid) == before + 1
        await people.gone(before)
        assert await people.evicted("no_progress") == 0
