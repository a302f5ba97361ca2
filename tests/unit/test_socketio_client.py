"""A client of Socket.IO without a transport: being let in late, and attachments."""

import asyncio
from collections.abc import Sequence
from unittest import mock

import pytest

from protocol.endings import RefusalReason
from protocol.errors import unauthenticated
from server.transport.packet import MAIN
from server.transport.socketio import MAX_ATTACHMENTS, Refusal, SocketIOClient
from tests.support.refused import Refused

LIMIT = 1000


class Member:
    """A client in the namespace, with what came of it."""

    sid = "sid"
    max_attachments = MAX_ATTACHMENTS

    def __init__(self) -> None:
        self.events: list[Sequence[bytes]] = []
        self.refused = 0

    async def opened(self) -> None:
        """It is in."""

    def event(self, ack: str, arguments: str, attachments: Sequence[bytes]) -> None:
        """An event in whole."""
        self.events.append(attachments)

    def unattached(self, ack: str) -> None:
        """An event that is refused."""
        self.refused += 1

    def gone(self, reason: str) -> None:
        """It has left."""


class Namespace:
    """Decides who comes in when a test says so."""

    def __init__(self) -> None:
        self.decides = asyncio.Event()
        self.member = Member()
        self.takes = True

    async def connect(self, client: SocketIOClient, auth: str) -> Member:
        """Take it in, or not."""
        await self.decides.wait()
        if not self.takes:
            raise Refusal(unauthenticated("no").error)
        return self.member

    def stranger(self, client: SocketIOClient, ack: str) -> None:
        """Nobody asks."""


class House:
    """A client, its namespace, and a session that only remembers."""

    def __init__(self, timeout_s: float = 60.0) -> None:
        self.refused = Refused()
        self.namespace = Namespace()
        self.ended: asyncio.Future[RefusalReason] = asyncio.get_running_loop().create_future()
        self.session = mock.Mock(closed=False)
        self.session.refuse.side_effect = self._end
        self.tasks: list[asyncio.Task[None]] = []
        self.session.refusals = self.refused.refusals
        background = mock.Mock()
        background.spawn.side_effect = lambda work: self.tasks.append(asyncio.create_task(work))
        spaces = {MAIN: self.namespace}
        self.client = SocketIOClient(self.session, spaces, background.spawn, timeout_s, LIMIT)

    def _end(self, reason: RefusalReason, *_: str) -> None:
        self.session.closed = True
        if not self.ended.done():
            self.ended.set_result(reason)

    async def decide(self, takes: bool) -> None:
        """Let it in, or not, and wait until that is done."""
        self.namespace.takes = takes
        self.namespace.decides.set()
        await asyncio.gather(*self.tasks)

    @property
    def reason(self) -> RefusalReason | None:
        """Why the session was ended."""
        return self.ended.result() if self.ended.done() else None


async def late(house: House) -> None:
    """Let the time to connect end."""
    loop, passed = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(0.01, passed.set)  # after the client's own, which was set before
    await passed.wait()


async def test_whose_time_ends_while_it_is_looked_at_goes_if_it_is_not_let_in() -> None:
    house = House(timeout_s=0.005)
    house.client.received("0")
    await late(house)
    assert house.reason is None
    await house.decide(takes=False)
    assert house.reason is RefusalReason.NO_LOGIN


async def test_whose_time_ends_while_it_is_looked_at_stays_if_it_is_let_in() -> None:
    house = House(timeout_s=0.005)
    house.client.received("0")
    await late(house)
    await house.decide(takes=True)
    assert house.reason is None


@pytest.fixture
async def inside() -> House:
    """Somebody who is in."""
    house = House()
    house.client.received("0")
    await house.decide(takes=True)
    return house


async def test_an_event_waits_for_its_attachments(inside: House) -> None:
    inside.client.received('52-["x"]')
    inside.client.received(b"1")
    assert inside.namespace.member.events == []
    inside.client.received(b"2")
    assert inside.namespace.member.events == [[b"1", b"2"]]
    inside.refused.pass_time()
    assert inside.reason is None


@pytest.mark.parametrize("number", ["0", "11", "999999999"])
async def test_ten_attachments_are_the_most(inside: House, number: str) -> None:
    inside.client.received(f'5{number}-["x"]')
    for _ in range(MAX_ATTACHMENTS):
        inside.client.received(b"x")
    assert inside.namespace.member.refused == 1
    assert inside.namespace.member.events == []
    overheads = MAX_ATTACHMENTS if number == "0" else 0
    assert inside.session.count_junk.call_count == overheads
    inside.client.received(b"x")
    assert inside.session.count_junk.call_count == overheads + 1


@pytest.mark.parametrize("number", [3, 150])
async def test_they_count_together_whether_they_are_taken_or_not(
    inside: House, number: int
) -> None:
    inside.client.received(f'5{number}-["x"]')
    inside.client.received(b"x" * 600)
    assert inside.reason is None
    inside.client.received(b"x" * 600)
    assert inside.reason is RefusalReason.TOO_LARGE


async def test_they_must_come_in_time(inside: House) -> None:
    inside.client.received('52-["x"]')
    inside.client.received(b"x")
    inside.refused.pass_time()
    assert inside.reason is RefusalReason.SLOW


async def test_nothing_is_waited_for_of_who_is_gone(inside: House) -> None:
    inside.client.received('52-["x"]')
    inside.client.gone("transport close")
    inside.refused.pass_time()
    assert inside.reason is None
