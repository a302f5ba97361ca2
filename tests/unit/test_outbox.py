"""The outbox: order, bounds, and its place in a real Engine.IO socket."""

import asyncio
import json
from socket import socketpair
from typing import Any

import engineio
import pytest
from engineio.async_socket import AsyncSocket
from engineio.packet import CLOSE, MESSAGE, NOOP, Packet

from protocol.codec import Meta
from protocol.gateway import EvictionReason
from protocol.message import KEPT, LATEST, LOSSY, Delivery
from server.gateway.frame import Frame
from server.gateway.outbox import BATCH_BYTES, ITEM_BYTES, MAX_GAPS, MAX_LOSSY, Outbox
from server.gateway.transport import TRANSPORT
from tests.support.clock import ManualClock

LIMIT = 1_000_000
STALL_S = 10.0


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test turns."""
    return ManualClock()


@pytest.fixture
def outbox(clock: ManualClock) -> Outbox:
    """An empty outbox."""
    return Outbox(LIMIT, STALL_S, clock.monotonic)


def frame(data: str, delivery: Delivery = KEPT, *, name: str = "a.b", room: str = "r") -> Frame:
    """An event whose data is a text."""
    return Frame(name, f'"{data}"'.encode(), Meta(room=room, at="t"), delivery)


def text(packet: Packet | None) -> str:
    """The data of an event, or the whole text of anything else."""
    assert packet is not None
    data = str(packet.data)
    return data.split('"')[3] if data.startswith("2[") else data


async def batch(outbox: Outbox) -> list[str]:
    """Take one batch, as an Engine.IO socket does."""
    taken = [text(await outbox.get())]
    while True:
        try:
            taken.append(text(outbox.get_nowait()))
        except asyncio.QueueEmpty:
            return taken


async def test_replies_and_events_leave_in_the_order_they_came(outbox: Outbox) -> None:
    outbox.push("reply 1")
    outbox.push_frame(frame("event"))
    outbox.push_frame(frame("latest", LATEST))
    outbox.push_frame(frame("lossy", LOSSY))
    outbox.push("reply 2")
    assert await batch(outbox) == ["reply 1", "event", "latest", "lossy", "reply 2"]
    assert outbox.empty()


async def test_whoever_waits_is_woken(outbox: Outbox) -> None:
    taking = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert not taking.done()
    outbox.push("x")
    assert text(await taking) == "x"


async def test_a_wait_that_was_cancelled_takes_nothing(outbox: Outbox) -> None:
    taking = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    outbox.push("x")
    assert await batch(outbox) == ["x"]


async def test_a_batch_is_bounded_and_the_rest_follows(outbox: Outbox) -> None:
    for n in range(10):
        outbox.push(str(n) * (BATCH_BYTES // 4))
    sizes = []
    while not outbox.empty():
        sizes.append(len(await batch(outbox)))
    assert sizes == [4, 4, 2]


async def test_what_was_handed_out_counts_until_the_taker_comes_back(outbox: Outbox) -> None:
    outbox.push("x" * 100)
    outbox.push("x" * 100)
    both = 2 * (ITEM_BYTES + 100)
    await outbox.get()
    assert outbox.queued_bytes == both
    outbox.get_nowait()
    assert outbox.queued_bytes == both
    back = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert outbox.queued_bytes == 0
    back.cancel()


async def test_packets_of_the_engine_count_too_and_add_up_to_nothing(outbox: Outbox) -> None:
    await outbox.put(Packet(MESSAGE, "x" * 50))
    await outbox.put(Packet(NOOP))
    outbox.push("y" * 10)
    assert outbox.queued_bytes == 3 * ITEM_BYTES + 60
    await outbox.get()
    with pytest.raises(asyncio.QueueEmpty):
        while True:
            outbox.get_nowait()
    back = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    assert outbox.queued_bytes == 0
    back.cancel()


async def test_a_newer_latest_replaces_the_one_that_waits(outbox: Outbox) -> None:
    for n in range(5):
        outbox.push_frame(frame(f"old {n}", LATEST))
    outbox.push_frame(frame("other room", LATEST, room="s"))
    outbox.push_frame(frame("other event", LATEST, name="c.d"))
    outbox.push("reply")
    before = outbox.queued_bytes
    outbox.push_frame(frame("new 1", LATEST))
    assert outbox.queued_bytes == before
    assert outbox.dropped == 5
    assert await batch(outbox) == ["other room", "other event", "reply", "new 1"]


async def test_a_latest_that_was_handed_out_is_not_replaced(outbox: Outbox) -> None:
    outbox.push_frame(frame("first", LATEST))
    assert await batch(outbox) == ["first"]
    outbox.push_frame(frame("second", LATEST))
    assert await batch(outbox) == ["second"]
    assert outbox.dropped == 0


async def test_the_oldest_lossy_go(outbox: Outbox) -> None:
    for n in range(MAX_LOSSY + 3):
        outbox.push_frame(frame(str(n), LOSSY))
    outbox.push_frame(frame("kept"))
    assert outbox.dropped == 3
    assert await batch(outbox) == [*(str(n) for n in range(3, MAX_LOSSY + 3)), "kept"]
    outbox.push_frame(frame("again", LOSSY))
    assert outbox.dropped == 3
    assert await batch(outbox) == ["again"]


async def test_the_next_lossy_says_how_many_went_before_it(outbox: Outbox) -> None:
    told: list[Delivery] = []
    outbox.on_drop = told.append
    outbox.push_frame(frame("other", LOSSY, room="s"))
    for n in range(MAX_LOSSY + 3):
        outbox.push_frame(frame(str(n), LOSSY))
    outbox.push_frame(frame("old", LATEST))
    outbox.push_frame(frame("new", LATEST))
    assert told == [LOSSY] * 3 + [LATEST]
    metas = []
    for _ in range(MAX_LOSSY + 2):
        packet = await outbox.get()
        assert packet is not None
        metas.append(json.loads(packet.data[1:])[2])
    assert [meta.get("dropped") for meta in metas] == [None, 3] + [None] * MAX_LOSSY
    outbox.push_frame(frame("again", LOSSY))
    packet = await outbox.get()
    assert packet is not None
    assert "dropped" not in packet.data


async def test_kept_events_are_never_dropped(outbox: Outbox) -> None:
    for n in range(MAX_LOSSY * 10):
        outbox.push_frame(frame(str(n)))
    assert outbox.dropped == 0
    assert await batch(outbox) == [str(n) for n in range(MAX_LOSSY * 10)]


@pytest.fixture
def reasons(outbox: Outbox) -> list[EvictionReason]:
    """What the outbox has reported."""
    reported: list[EvictionReason] = []
    outbox.overflow = reported.append
    return reported


async def test_too_many_bytes_are_reported_once_and_nothing_more_is_taken_in(
    outbox: Outbox, reasons: list[EvictionReason]
) -> None:
    while not reasons:
        outbox.push("x" * 10_000)
    size, waiting = outbox.queued_bytes, outbox.qsize()
    for _ in range(100):
        outbox.push("x" * 10_000)
        outbox.push_frame(frame("x"))
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    assert (outbox.queued_bytes, outbox.qsize()) == (size, waiting)
    assert size <= LIMIT + 10_000


async def test_bytes_in_the_takers_hands_count_against_the_limit(
    outbox: Outbox, reasons: list[EvictionReason]
) -> None:
    outbox.push("x" * (LIMIT - 10))
    await outbox.get()
    outbox.push("x" * 11)
    assert reasons == [EvictionReason.TOO_MANY_BYTES]


async def test_bytes_are_counted_and_not_letters(outbox: Outbox) -> None:
    outbox.push("é" * 100)
    outbox.push_frame(event := frame("🜂" * 100))
    await outbox.put(Packet(MESSAGE, "é"))
    sent = len(event.socketio.encode())
    assert outbox.queued_bytes == 3 * ITEM_BYTES + 200 + sent + 2


@pytest.mark.parametrize("delivery", [LATEST, LOSSY])
async def test_what_was_replaced_takes_no_room(outbox: Outbox, delivery: Delivery) -> None:
    outbox.push("first")
    for n in range(100 * MAX_GAPS):
        outbox.push_frame(frame(str(n), delivery))
    assert outbox.qsize() <= 1 + MAX_LOSSY + 2 * MAX_GAPS
    taken = await batch(outbox)
    assert taken[0] == "first"
    assert taken[-1] == str(100 * MAX_GAPS - 1)
    assert len(taken) == 1 + (1 if delivery is LATEST else MAX_LOSSY)


async def test_a_stall_is_reported_once(
    outbox: Outbox, clock: ManualClock, reasons: list[EvictionReason]
) -> None:
    outbox.push("waits")
    clock.advance(STALL_S)
    outbox.check()
    assert reasons == []
    clock.advance(0.001)
    outbox.check()
    outbox.check()
    assert reasons == [EvictionReason.NO_PROGRESS]


async def test_silence_is_no_stall(
    outbox: Outbox, clock: ManualClock, reasons: list[EvictionReason]
) -> None:
    taking = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    clock.advance(STALL_S * 100)
    outbox.push("x")
    outbox.check()
    assert text(await taking) == "x"
    clock.advance(STALL_S * 100)
    outbox.check()
    assert reasons == [], "a poll that was answered takes its time to come again"


class Peer(asyncio.Protocol):
    """Our end of a real connection."""

    def __init__(self) -> None:
        self.writable = asyncio.Event()

    def resume_writing(self) -> None:
        """Called when the buffer has run low."""
        self.writable.set()


async def test_a_transport_that_empties_is_progress_and_one_that_does_not_is_a_stall(
    outbox: Outbox, clock: ManualClock, reasons: list[EvictionReason]
) -> None:
    ours, theirs = socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_connection(Peer, sock=ours)
    token = TRANSPORT.set(transport)
    outbox.push("the last that waits")
    await outbox.get()
    transport.write(b"x" * 2_000_000)
    outbox.check()
    clock.advance(STALL_S)
    while not peer.writable.is_set():
        await loop.sock_recv(theirs, 100_000)
    left = transport.get_write_buffer_size()
    transport.write(b"x" * 1_000_000)
    assert left < 2_000_000
    outbox.check()
    clock.advance(STALL_S)
    outbox.check()
    assert reasons == []
    clock.advance(0.001)
    outbox.check()
    assert reasons == [EvictionReason.NO_PROGRESS]
    outbox.abort()
    assert transport.is_closing()
    TRANSPORT.reset(token)
    theirs.close()


async def test_a_cleared_outbox_is_empty_and_takes_again(outbox: Outbox) -> None:
    for delivery in (KEPT, LATEST, LATEST, LOSSY):
        outbox.push_frame(frame("old", delivery))
    outbox.clear()
    assert (outbox.queued_bytes, outbox.empty()) == (0, True)
    outbox.push_frame(frame("new", LATEST))
    assert await batch(outbox) == ["new"]


# ---- in a real socket


class Engine(engineio.AsyncServer):  # type: ignore[misc]
    """Engine.IO with outboxes."""

    def create_queue(self, *_: object, **__: object) -> Outbox:
        """As the gateway's does."""
        return Outbox(LIMIT, STALL_S, ManualClock().monotonic)


@pytest.fixture
async def socket() -> AsyncSocket:
    """A real socket whose queue is an outbox."""
    return AsyncSocket(Engine(async_mode="asgi"), "sid")


async def test_a_socket_polls_the_outbox(socket: Any) -> None:
    socket.queue.push("one")
    await socket.send(Packet(NOOP))
    socket.queue.push_frame(frame("two"))
    packets = await socket.poll()
    assert [p.packet_type for p in packets] == [MESSAGE, NOOP, MESSAGE]
    assert packets[0].encode() == "4one"


async def test_none_ends_the_taker(socket: Any) -> None:
    await socket.queue.put(None)
    assert await socket.poll() == []


async def test_none_ends_the_taker_after_what_was_before_it(socket: Any) -> None:
    socket.queue.push("last words")
    await socket.queue.put(None)
    assert [p.data for p in await socket.poll()] == ["last words"]
    assert await socket.poll() == []


async def test_closing_a_socket_waits_for_no_reader(socket: Any) -> None:
    socket.queue.push("never read")
    async with asyncio.timeout(10):
        await socket.close(wait=True)
    assert [p.packet_type for p in await socket.poll()] == [MESSAGE, CLOSE]


async def test_packets_of_the_engine_are_bounded_and_its_end_is_taken_in(
    outbox: Outbox, reasons: list[EvictionReason]
) -> None:
    for _ in range(LIMIT // ITEM_BYTES + 10):
        await outbox.put(Packet(NOOP))
    assert outbox.queued_bytes <= LIMIT + ITEM_BYTES
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    waiting = outbox.qsize()
    await outbox.put(None)
    assert outbox.qsize() == waiting + 1


async def test_what_was_sent_and_what_waits_is_known(outbox: Outbox) -> None:
    def known() -> tuple[int, int]:
        return outbox.sent, outbox.waiting

    for n in range(3):
        outbox.push_frame(frame(str(n), LATEST))  # each takes the place of the one before
    outbox.push("reply")
    for n in range(MAX_LOSSY + 2):
        outbox.push_frame(frame(str(n), LOSSY))
    assert known() == (0, 2 + MAX_LOSSY)
    await batch(outbox)
    assert known() == (2 + MAX_LOSSY, 0)
    outbox.push("another")
    assert known() == (2 + MAX_LOSSY, 1)
    outbox.clear()
    assert known() == (2 + MAX_LOSSY, 0)
