"""The outbox: order and bounds, whoever takes from it."""

import json
from operator import attrgetter

import pytest

from protocol.codec import Meta
from protocol.gateway import EvictionReason
from protocol.message import KEPT, LATEST, LOSSY, Delivery
from server.transport.outbox import ITEM_BYTES, MAX_GAPS, MAX_LOSSY, Frame, Outbox, OutboxLimits
from tests.support.clock import ManualClock

LIMIT = 1_000_000
STALL_S = 10.0
BATCH_BYTES = 64 * 1024


class Taker:
    """A transport that holds as much as a test says."""

    def __init__(self) -> None:
        self.unsent = 0
        self.woken = 0

    def wake(self) -> None:
        """Count it."""
        self.woken += 1


@pytest.fixture
def clock() -> ManualClock:
    """A clock that the test turns."""
    return ManualClock()


@pytest.fixture
def told() -> list[Delivery]:
    """What was said of events that were dropped."""
    return []


@pytest.fixture
def outbox(clock: ManualClock, told: list[Delivery]) -> Outbox:
    """An empty outbox."""
    return Outbox(OutboxLimits(LIMIT, STALL_S, clock.monotonic, told.append), attrgetter("packet"))


@pytest.fixture
def taker(outbox: Outbox) -> Taker:
    """Who takes from it."""
    outbox.taker = taker = Taker()
    return taker


@pytest.fixture
def reasons(outbox: Outbox) -> list[EvictionReason]:
    """What the outbox has reported."""
    reported: list[EvictionReason] = []
    outbox.overflow = reported.append
    return reported


def frame(data: str, delivery: Delivery = KEPT, *, name: str = "a.b", room: str = "r") -> Frame:
    """An event whose data is a text."""
    return Frame.of(name, f'"{data}"'.encode(), Meta(room=room, at="t"), delivery)


def text(part: bytes) -> str:
    """The data of an event, or the whole text of anything else."""
    return str(json.loads(part[2:])[1]) if part.startswith(b"42[") else part.decode()


def batch(outbox: Outbox) -> list[str]:
    """Take one batch."""
    return [text(part) for part in outbox.take_parts(BATCH_BYTES)]


def test_replies_and_events_leave_in_the_order_they_came(outbox: Outbox) -> None:
    outbox.push(b"reply 1")
    outbox.push_frame(frame("event"))
    outbox.push_frame(frame("latest", LATEST))
    outbox.push_frame(frame("lossy", LOSSY))
    outbox.push(b"reply 2")
    assert batch(outbox) == ["reply 1", "event", "latest", "lossy", "reply 2"]
    assert len(outbox) == 0


def test_a_batch_is_bounded_and_the_rest_follows(outbox: Outbox) -> None:
    for n in range(10):
        outbox.push(b"%d" % n * (BATCH_BYTES // 4))
    sizes = []
    while len(outbox):
        sizes.append(len(batch(outbox)))
    assert sizes == [4, 4, 2]


def test_a_newer_latest_replaces_the_one_that_waits(outbox: Outbox) -> None:
    for n in range(5):
        outbox.push_frame(frame(f"old {n}", LATEST))
    outbox.push_frame(frame("other room", LATEST, room="s"))
    outbox.push_frame(frame("other event", LATEST, name="c.d"))
    outbox.push(b"reply")
    before = outbox.queued_bytes
    outbox.push_frame(frame("new 1", LATEST))
    assert outbox.queued_bytes == before
    assert outbox.dropped == 5
    assert batch(outbox) == ["other room", "other event", "reply", "new 1"]


def test_a_latest_that_was_handed_out_is_not_replaced(outbox: Outbox) -> None:
    outbox.push_frame(frame("first", LATEST))
    assert batch(outbox) == ["first"]
    outbox.push_frame(frame("second", LATEST))
    assert batch(outbox) == ["second"]
    assert outbox.dropped == 0


def test_the_oldest_lossy_go(outbox: Outbox) -> None:
    for n in range(MAX_LOSSY + 3):
        outbox.push_frame(frame(str(n), LOSSY))
    outbox.push_frame(frame("kept"))
    assert outbox.dropped == 3
    assert batch(outbox) == [*(str(n) for n in range(3, MAX_LOSSY + 3)), "kept"]
    outbox.push_frame(frame("again", LOSSY))
    assert outbox.dropped == 3
    assert batch(outbox) == ["again"]


def test_kept_events_are_never_dropped(outbox: Outbox) -> None:
    for n in range(MAX_LOSSY * 10):
        outbox.push_frame(frame(str(n)))
    assert outbox.dropped == 0
    assert [text(p) for p in outbox.take_parts(LIMIT)] == [str(n) for n in range(MAX_LOSSY * 10)]


def test_too_many_bytes_are_reported_once_and_nothing_more_is_taken_in(
    outbox: Outbox, reasons: list[EvictionReason]
) -> None:
    while not reasons:
        outbox.push(b"x" * 10_000)
    size, waiting = outbox.queued_bytes, len(outbox)
    for _ in range(100):
        outbox.push(b"x" * 10_000)
        outbox.push_frame(frame("x"))
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    assert (outbox.queued_bytes, len(outbox)) == (size, waiting)
    assert size <= LIMIT + 10_000


@pytest.mark.parametrize("delivery", [LATEST, LOSSY])
def test_what_was_replaced_takes_no_room(outbox: Outbox, delivery: Delivery) -> None:
    outbox.push(b"first")
    for n in range(100 * MAX_GAPS):
        outbox.push_frame(frame(str(n), delivery))
    assert len(outbox) <= 1 + MAX_LOSSY + 2 * MAX_GAPS
    taken = batch(outbox)
    assert taken[0] == "first"
    assert taken[-1] == str(100 * MAX_GAPS - 1)
    assert len(taken) == 1 + (1 if delivery is LATEST else MAX_LOSSY)


def test_a_stall_is_reported_once(
    outbox: Outbox, clock: ManualClock, reasons: list[EvictionReason]
) -> None:
    outbox.push(b"waits")
    outbox.check()
    clock.advance(STALL_S)
    outbox.check()
    assert reasons == []
    clock.advance(0.001)
    outbox.check()
    outbox.check()
    assert reasons == [EvictionReason.NO_PROGRESS]


def test_a_cleared_outbox_is_empty_and_takes_again(outbox: Outbox) -> None:
    for delivery in (KEPT, LATEST, LATEST, LOSSY):
        outbox.push_frame(frame("old", delivery))
    outbox.clear()
    assert (outbox.queued_bytes, len(outbox)) == (0, 0)
    outbox.push_frame(frame("new", LATEST))
    assert batch(outbox) == ["new"]


def test_what_was_sent_and_what_waits_is_known(outbox: Outbox) -> None:
    def known() -> tuple[int, int]:
        return outbox.sent, len(outbox)

    for n in range(3):
        outbox.push_frame(frame(str(n), LATEST))  # each takes the place of the one before
    outbox.push(b"reply")
    for n in range(MAX_LOSSY + 2):
        outbox.push_frame(frame(str(n), LOSSY))
    assert known() == (0, 2 + MAX_LOSSY)
    batch(outbox)
    assert known() == (2 + MAX_LOSSY, 0)
    outbox.push(b"another")
    assert known() == (2 + MAX_LOSSY, 1)
    outbox.clear()
    assert known() == (2 + MAX_LOSSY, 0)


def test_the_taker_is_woken_where_nothing_waited(outbox: Outbox, taker: Taker) -> None:
    outbox.push(b"x")
    outbox.push(b"x")
    assert taker.woken == 1
    batch(outbox)
    outbox.push_frame(frame("y", LATEST))
    assert taker.woken == 2


def test_all_that_waits_comes_in_one_piece(outbox: Outbox) -> None:
    for n in range(3):
        outbox.push_frame(frame(str(n)))
    outbox.push_frame(frame("latest", LATEST))
    whole = outbox.take(BATCH_BYTES)
    assert whole.count(b"42[") == 4
    outbox.push(b"one")
    assert outbox.take(BATCH_BYTES) == b"one"
    assert (outbox.queued_bytes, outbox.sent) == (0, 5)


def test_as_many_parts_are_taken_as_the_taker_may_have(outbox: Outbox) -> None:
    for n in range(5):
        outbox.push(b"%d" % n)
    assert outbox.take_parts(BATCH_BYTES, 2) == [b"0", b"1"]
    assert outbox.take_parts(BATCH_BYTES, 9) == [b"2", b"3", b"4"]


def test_what_is_under_way_counts_until_it_has_left(
    outbox: Outbox, reasons: list[EvictionReason]
) -> None:
    outbox.push(b"x" * 500_000)
    (taken,) = outbox.take_parts(BATCH_BYTES)
    outbox.hand_out(len(taken))
    assert outbox.queued_bytes == 500_000
    outbox.push(b"y" * 500_000)
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    outbox.clear()
    assert outbox.queued_bytes == 500_000
    outbox.has_left()
    assert outbox.queued_bytes == 0


def test_bytes_are_counted_and_not_letters(outbox: Outbox) -> None:
    event = frame("🜂" * 100)
    outbox.push_frame(event)
    assert outbox.queued_bytes == ITEM_BYTES + len(event.packet) > 400


def test_the_next_lossy_says_how_many_went_before_it(outbox: Outbox, told: list[Delivery]) -> None:
    outbox.push_frame(frame("other", LOSSY, room="s"))
    for n in range(MAX_LOSSY + 3):
        outbox.push_frame(frame(str(n), LOSSY))
    outbox.push_frame(frame("old", LATEST))
    outbox.push_frame(frame("new", LATEST))
    assert told == [LOSSY] * 3 + [LATEST]
    metas = [json.loads(part[2:])[2] for part in outbox.take_parts(BATCH_BYTES)]
    assert [meta.get("dropped") for meta in metas] == [None, 3] + [None] * MAX_LOSSY
    outbox.push_frame(frame("again", LOSSY))
    (part,) = outbox.take_parts(BATCH_BYTES)
    assert b"dropped" not in part


def test_silence_is_no_stall(
    outbox: Outbox, clock: ManualClock, reasons: list[EvictionReason]
) -> None:
    clock.advance(STALL_S * 100)
    outbox.push(b"x")
    outbox.check()
    assert batch(outbox) == ["x"]
    outbox.hand_out(1)
    clock.advance(STALL_S * 100)
    outbox.check()
    assert reasons == [], "a poll that was answered takes its time to come again"


def test_a_transport_that_empties_is_progress_and_one_that_does_not_is_a_stall(
    outbox: Outbox, clock: ManualClock, taker: Taker, reasons: list[EvictionReason]
) -> None:
    outbox.push(b"the last that waits")
    outbox.take(BATCH_BYTES)
    for taker.unsent in (2_000, 1_999, 1_000):
        outbox.check()
        clock.advance(STALL_S)
    outbox.check()
    assert reasons == []
    clock.advance(0.001)
    outbox.check()
    assert reasons == [EvictionReason.NO_PROGRESS]


def test_what_waits_is_written_anew_for_another_transport(outbox: Outbox) -> None:
    outbox.push(b"reply")
    for delivery in (KEPT, LATEST, LOSSY):
        outbox.push_frame(frame("event", delivery))
    outbox.rewrite(attrgetter("socketio"), lambda packet: b"<%b>" % packet)
    sent = frame("event")
    assert outbox.take_parts(LIMIT) == [
        b"<reply>",
        b"<%b>" % sent.packet,
        sent.socketio,
        sent.socketio,
    ]
    assert outbox.queued_bytes == 0
