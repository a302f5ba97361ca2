"""The outbox's limit holds for all that is put in, whatever kind it is of."""

from collections.abc import Callable
from operator import attrgetter

import pytest

from protocol.codec import Meta
from protocol.gateway import EvictionReason
from protocol.message import KEPT, LATEST, LOSSY, Delivery
from server.transport.outbox import ITEM_BYTES, Frame, Outbox, OutboxLimits

LIMIT = 10_000


def event(delivery: Delivery, number: int, size: int) -> Frame:
    """One of a size in bytes, as a packet. Each has a room of its own: none replaces another."""
    empty = Frame.of("a.b", b'""', Meta(room=f"r{number:03}", at="t"), delivery)
    text = b'"%b"' % (b"x" * (size - len(empty.packet)))
    return Frame.of("a.b", text, Meta(room=f"r{number:03}", at="t"), delivery)


def push_event(delivery: Delivery) -> Callable[[Outbox, int, int], None]:
    return lambda outbox, number, size: outbox.push_frame(event(delivery, number, size))


WAYS: dict[str, Callable[[Outbox, int, int], None]] = {
    "a reply": lambda outbox, _, size: outbox.push(b"x" * size),
    "kept": push_event(KEPT),
    "latest": push_event(LATEST),
    "lossy": push_event(LOSSY),
}


@pytest.mark.parametrize("put", WAYS.values(), ids=WAYS)
def test_as_much_as_the_limit_may_wait_and_not_a_byte_more(
    put: Callable[[Outbox, int, int], None],
) -> None:
    reasons: list[EvictionReason] = []
    outbox = Outbox(OutboxLimits(LIMIT, 10.0, lambda: 0.0), attrgetter("packet"))
    outbox.overflow = reasons.append
    size = 1000 - ITEM_BYTES
    for number in range(LIMIT // 1000):
        put(outbox, number, size)
    assert outbox.queued_bytes == LIMIT
    assert reasons == []
    put(outbox, 999, 100)
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    before = outbox.queued_bytes
    put(outbox, 998, 100)
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
    assert outbox.queued_bytes == before, "nothing more is taken in"


@pytest.mark.parametrize("put", WAYS.values(), ids=WAYS)
def test_one_byte_over_the_limit_is_too_much(put: Callable[[Outbox, int, int], None]) -> None:
    reasons: list[EvictionReason] = []
    outbox = Outbox(OutboxLimits(LIMIT, 10.0, lambda: 0.0), attrgetter("packet"))
    outbox.overflow = reasons.append
    put(outbox, 0, LIMIT - ITEM_BYTES + 1)
    assert reasons == [EvictionReason.TOO_MANY_BYTES]
