"""The frames of a WebSocket: what may be, what may not, and that it matters not how it is cut."""

import logging
import random
import tracemalloc
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame
from websockets.frames import apply_mask as unmask
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from server.transport.frame_reader import (
    FRAGMENT_BYTES,
    SPARE_FRAGMENTS,
    Broken,
    Control,
    FrameReader,
    Message,
)
from server.transport.rfc6455 import MAX_REASON, CloseCode, Opcode, encode, encode_close

KEY = b"\x1f\x2e\x3d\x4c"
LIMIT = 1 << 20
TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG


def header(opcode: int, size: int, *, fin: bool = True, rsv: int = 0, width: int = 0) -> bytes:
    """The header of a client's frame, without its key; of so many bytes of length if told."""
    if not width and size > 125:
        width = 2 if size < 1 << 16 else 8
    short = {0: size, 2: 126, 8: 127}[width]
    return bytes((fin << 7 | rsv << 4 | opcode, 0x80 | short)) + size.to_bytes(8)[8 - width :]


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, width: int = 0
) -> bytes:
    head = header(opcode, len(payload), fin=fin, rsv=rsv, width=width)
    return head + KEY + unmask(payload, KEY)


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, code.to_bytes(2) + reason)


def read(*chunks: bytes, max_bytes: int = LIMIT) -> list[Message]:
    reader = FrameReader(max_bytes)
    return [message for chunk in chunks for message in reader.feed(chunk)]


def codes(messages: Iterable[Message]) -> list[int | Message]:
    return [message.code if isinstance(message, Broken) else message for message in messages]


def fed_by_byte(stream: bytes) -> Iterable[bytes]:
    return (stream[n : n + 1] for n in range(len(stream)))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65535, 65536, 70000])
def test_a_message_of_any_length_is_read(size: int) -> None:
    text = "é" * (size // 2) + "x" * (size % 2)
    stream = frame(TEXT, text.encode()) + frame(BINARY, b"\xff" * size)
    assert read(stream) == [text, b"\xff" * size]


def test_messages_and_controls_come_in_their_order() -> None:
    stream = (
        frame(TEXT, b"one")
        + frame(PING, b"p")
        + frame(TEXT, b"t", fin=False)
        + frame(PONG)
        + frame(CONT, b"w", fin=False)
        + frame(PING, b"q")
        + frame(CONT, b"o")
        + frame(BINARY, b"\x00")
        + frame(TEXT, b"three")
    )
    expected = ["one", Control(PING, b"p"), Control(PONG, b""), Control(PING, b"q"), "two"]
    assert read(stream) == [*expected, b"\x00", "three"]


def test_after_a_close_nothing_is_read() -> None:
    reader = FrameReader(LIMIT)
    messages = reader.feed(frame(TEXT, b"a") + close(1000, b"bye") + frame(TEXT, b"b"))
    assert messages == ["a", Control(CLOSE, b"\x03\xe8bye")]
    assert reader.feed(frame(TEXT, b"c")) == []
    assert reader.unfinished is None


def test_a_close_may_come_within_a_message() -> None:
    """RFC 6455, 5.4: control frames may be injected in the middle of a fragmented message."""
    reader = FrameReader(LIMIT)
    assert reader.feed(frame(TEXT, b"a", fin=False) + close(1001)) == [Control(CLOSE, b"\x03\xe9")]
    assert reader.unfinished is None


WITHIN = frame(TEXT, b"a", fin=False)

VIOLATIONS = {
    "rsv1": frame(TEXT, b"a", rsv=4),
    "rsv2": frame(BINARY, b"a", rsv=2),
    "rsv3 of a control": frame(PING, rsv=1),
    "rsv1 of a fragment": WITHIN + frame(CONT, b"a", rsv=4),
    "not masked": b"\x81\x01a",
    "not masked, empty": b"\x81\x00",
    "ping not masked": b"\x89\x00",
    **{f"opcode {opcode}": frame(opcode, b"a") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "ping of 126 bytes": frame(PING, b"a" * 126),
    "pong of 64 bits": frame(PONG, b"a" * 65536),
    "close of 126 bytes": frame(CLOSE, b"\x03\xe8" + b"a" * 124),
    "ping in fragments": frame(PING, b"a", fin=False),
    "close in fragments": frame(CLOSE, b"", fin=False),
    "nothing to continue": frame(CONT, b"a"),
    "nothing to continue, more to come": frame(CONT, b"a", fin=False),
    "text within a text": WITHIN + frame(TEXT, b"a"),
    "binary within a text": WITHIN + frame(BINARY, b"a"),
    "fragment of a text within a text": WITHIN + frame(TEXT, b"a", fin=False),
    "close of one byte": frame(CLOSE, b"\x03"),
    "16 bits for what fits 7": frame(TEXT, b"a", width=2),
    "64 bits for what fits 7": frame(TEXT, b"a", width=8),
    "64 bits for what fits 16": frame(BINARY, b"a" * 126, width=8),
    "16 bits for a fragment that fits 7": WITHIN + frame(CONT, b"a", width=2),
    "the top bit of 64": header(TEXT, 1 << 63) + KEY,
    "all of 64 bits": b"\x82\xff" + b"\xff" * 8 + KEY,
}


@pytest.mark.parametrize("stream", VIOLATIONS.values(), ids=VIOLATIONS)
@pytest.mark.parametrize("by_byte", [False, True])
def test_what_no_client_may_send_ends_it(stream: bytes, by_byte: bool) -> None:
    reader = FrameReader(LIMIT)
    stream = frame(TEXT, b"before") + stream + frame(TEXT, b"after")
    messages: list[Message] = []
    for chunk in fed_by_byte(stream) if by_byte else [stream]:
        messages += reader.feed(chunk)
    assert codes(messages) == ["before", CloseCode.PROTOCOL_ERROR]
    assert reader.feed(frame(TEXT, b"after")) == []
    assert reader.unfinished is None


def test_a_message_that_has_ended_is_not_continued() -> None:
    stream = WITHIN + frame(CONT) + frame(CONT, b"a")
    assert codes(read(stream)) == ["a", CloseCode.PROTOCOL_ERROR]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 100, 125, 126, 200, 65535, 65536])
def test_the_limit_is_what_a_message_may_just_have(opcode: int, size: int) -> None:
    payload = b"a" * size
    whole = payload.decode() if opcode == TEXT else payload
    assert read(frame(opcode, payload), max_bytes=size) == [whole]
    too_large = read(frame(opcode, payload + b"a"), max_bytes=size)
    assert codes(too_large) == [CloseCode.TOO_LARGE]


@pytest.mark.parametrize("size", [101, 126, 65536, (1 << 63) - 1])
def test_what_is_too_large_is_told_from_the_header(size: int) -> None:
    assert codes(read(header(BINARY, size), max_bytes=100)) == [CloseCode.TOO_LARGE]


def test_the_limit_is_of_bytes_not_of_characters() -> None:
    assert codes(read(frame(TEXT, "éé".encode()), max_bytes=3)) == [CloseCode.TOO_LARGE]


def test_the_limit_is_of_all_fragments_together() -> None:
    first = frame(TEXT, b"a" * 6, fin=False) + frame(CONT, b"b" * 4, fin=False)
    assert read(first + frame(CONT), max_bytes=10) == ["a" * 6 + "b" * 4]
    assert codes(read(first + header(CONT, 1), max_bytes=10)) == [CloseCode.TOO_LARGE]
    again = [frame(TEXT, b"a" * 6, fin=False) + frame(CONT, b"b" * 4)] * 3
    assert read(*again, max_bytes=10) == ["a" * 6 + "b" * 4] * 3


def test_controls_do_not_count_as_bytes_of_the_message_around_them() -> None:
    stream = WITHIN + frame(PING, b"p" * 125) + frame(CONT, b"b")
    assert read(stream, max_bytes=2) == [Control(PING, b"p" * 125), "ab"]


def test_fragments_are_limited_by_what_has_come() -> None:
    allowed = frame(TEXT, b"", fin=False) + frame(CONT, b"", fin=False) * (SPARE_FRAGMENTS - 2)
    assert read(allowed + frame(CONT, b"x")) == ["x"]
    too_many = read(allowed + frame(CONT, b"", fin=False) + frame(CONT, b"x"))
    assert codes(too_many) == [CloseCode.POLICY]
    assert read((allowed + frame(CONT, b"x")) * 2) == ["x", "x"]


def test_each_fragment_may_be_one_for_so_many_bytes() -> None:
    parts = 10 * SPARE_FRAGMENTS
    part = frame(CONT, b"a" * FRAGMENT_BYTES, fin=False)
    begun = frame(TEXT, b"", fin=False) + part * parts
    assert read(begun + frame(CONT), max_bytes=1 << 20) == ["a" * FRAGMENT_BYTES * parts]
    short = frame(CONT, b"a", fin=False) * (2 * SPARE_FRAGMENTS)
    assert codes(read(begun + short, max_bytes=1 << 20)) == [CloseCode.POLICY]


def test_many_fragments_take_little_memory() -> None:
    count = 20_000
    size = count * FRAGMENT_BYTES
    reader = FrameReader(size)
    block = frame(CONT, b"a" * FRAGMENT_BYTES, fin=False) * 1000
    tracemalloc.start()
    try:
        reader.feed(frame(BINARY, b"", fin=False))
        for _ in range(count // 1000):
            assert reader.feed(block) == []
        assert tracemalloc.get_traced_memory()[1] < 2 * size
    finally:
        tracemalloc.stop()
    assert reader.feed(frame(CONT)) == [b"a" * size]


@pytest.mark.parametrize("code", [*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999])
def test_codes_that_a_close_may_have(code: int) -> None:
    payload = code.to_bytes(2) + b"a" * MAX_REASON
    assert read(frame(CLOSE, payload)) == [Control(CLOSE, payload)]
    assert encode_close(code, "a" * MAX_REASON) == encode(payload, CLOSE)


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
def test_codes_that_a_close_may_not_have(code: int) -> None:
    assert codes(read(close(code))) == [CloseCode.PROTOCOL_ERROR]
    with pytest.raises(ValueError, match=f"code: {code} "):
        encode_close(code)


def test_a_close_need_not_say_why() -> None:
    assert read(frame(CLOSE)) == [Control(CLOSE, b"")]


NOT_TEXT = {
    "a stray continuation": b"\x80",
    "a byte that never is": b"\xff",
    "overlong": b"\xc0\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "broken off within": b"\xe2\x82a",
}


@pytest.mark.parametrize("wrong", NOT_TEXT.values(), ids=NOT_TEXT)
@pytest.mark.parametrize("by_byte", [False, True])
@pytest.mark.parametrize("padding", [0, 200, 70000])
def test_a_text_is_utf_8(wrong: bytes, by_byte: bool, padding: int) -> None:
    stream = frame(TEXT, b"ok") + frame(TEXT, b"a" * padding + wrong) + frame(TEXT, b"after")
    chunks = fed_by_byte(stream) if by_byte else [stream]
    assert codes(read(*chunks)) == ["ok", CloseCode.INVALID_DATA]


def test_a_text_that_ends_within_a_character_is_refused() -> None:
    half = "€".encode()[:2]
    assert codes(read(frame(TEXT, half))) == [CloseCode.INVALID_DATA]
    fragments = frame(TEXT, half, fin=False) + frame(CONT)
    assert codes(read(fragments)) == [CloseCode.INVALID_DATA]


def test_a_character_may_be_cut_by_fragments() -> None:
    first, second = "a€".encode()[:2], "a€".encode()[2:]
    stream = frame(TEXT, first, fin=False) + frame(PING) + frame(CONT, second)
    assert read(stream) == [Control(PING, b""), "a€"]


@pytest.mark.parametrize("wrong", NOT_TEXT.values(), ids=NOT_TEXT)
def test_what_is_no_text_is_told_in_its_fragment(wrong: bytes) -> None:
    first = frame(TEXT, "né".encode(), fin=False) + frame(CONT, b"a" + wrong, fin=False)
    assert codes(read(first)) == [CloseCode.INVALID_DATA]


@pytest.mark.parametrize("wrong", NOT_TEXT.values(), ids=NOT_TEXT)
def test_what_is_no_text_is_told_before_its_frame_ends(wrong: bytes) -> None:
    begun = header(TEXT, 1000) + KEY + unmask("né".encode() + wrong, KEY)
    assert codes(read(begun)) == [CloseCode.INVALID_DATA]


def test_the_reason_of_a_close_is_utf_8() -> None:
    assert read(close(1000, "é".encode())) == [Control(CLOSE, b"\x03\xe8\xc3\xa9")]
    assert codes(read(close(1000, b"\xc3"))) == [CloseCode.INVALID_DATA]


def test_binary_may_be_anything() -> None:
    stream = frame(BINARY, b"\xff", fin=False) + frame(CONT, b"\xc0")
    assert read(*fed_by_byte(stream)) == [b"\xff\xc0"]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_message_is_known_from_its_header_to_its_last_byte(opcode: int) -> None:
    reader = FrameReader(LIMIT)
    header, *payload = frame(opcode, b"")[:6], *fed_by_byte(frame(opcode, b"abc")[6:])
    header = header[:1] + bytes((0x80 | len(payload),)) + header[2:]
    assert reader.feed(header) == []
    begun = reader.unfinished
    assert begun is not None
    for byte in payload[:-1]:
        assert reader.feed(byte) == []
        assert reader.unfinished is begun
    assert len(reader.feed(payload[-1])) == 1
    assert reader.unfinished is None


def test_a_message_is_the_same_between_its_fragments_and_the_next_is_another() -> None:
    reader = FrameReader(LIMIT)
    assert reader.feed(frame(TEXT, b"a", fin=False)) == []
    begun = reader.unfinished
    assert reader.feed(frame(PING) + frame(CONT, b"b", fin=False)) == [Control(PING, b"")]
    assert reader.unfinished is begun is not None
    assert reader.feed(frame(CONT) + frame(TEXT, b"c", fin=False)) == ["ab"]
    assert reader.unfinished not in (None, begun)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536])
def test_what_is_encoded_is_read_by_another(opcode: int, size: int) -> None:
    payload = b"a" * size
    expected = {0: 2, 1: 3, 125: 127, 126: 130, 65535: 65539, 65536: 65546}[size]
    encoded = encode(payload, opcode)
    assert len(encoded) == expected
    assert encoded[0] == 0x80 | opcode
    short, width = {0: (0, 0), 1: (1, 0), 125: (125, 0), 65536: (127, 8)}.get(size, (126, 2))
    assert encoded[1] == short
    assert encoded[2 : 2 + width] == size.to_bytes(8)[8 - width :]
    assert encoded[2 + width :] == payload


def test_a_text_is_what_is_encoded_unless_told() -> None:
    assert encode(b"a") == b"\x81\x01a"


def test_a_control_of_more_than_125_bytes_is_not_encoded() -> None:
    assert len(encode(b"a" * 125, PONG)) == 127
    with pytest.raises(ValueError, match="payload: "):
        encode(b"a" * 126, PONG)


def test_a_reason_of_too_many_bytes_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="reason: "):
        encode_close(1000, "é" * 62)


# Whatever comes, however it is cut.

payloads = st.one_of(
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=140),
    st.integers(100, 300).map(lambda size: b"a" * size),
)
frames = st.builds(
    frame,
    st.sampled_from([TEXT, TEXT, TEXT, BINARY, CONT, CONT, CONT, CLOSE, PING, PONG, 3, 11]),
    payloads,
    fin=st.sampled_from([True, True, False]),
    rsv=st.sampled_from([0] * 20 + [1, 2, 4]),
    width=st.just(0),
)
closes = st.builds(
    close, st.sampled_from([1000, 1005, 1011, 1015, 3000, 5000]), st.binary(max_size=4)
)
streams = st.lists(st.one_of(frames, frames, frames, closes), max_size=8).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(stream=streams, cuts=st.lists(st.integers(0, 2000), max_size=20), limit=st.integers(0, 400))
def test_it_matters_not_how_a_stream_is_cut(stream: bytes, cuts: list[int], limit: int) -> None:
    whole = read(stream, max_bytes=limit)
    at = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    pieces = [stream[start:stop] for start, stop in pairwise(at)]
    assert read(*pieces, max_bytes=limit) == whole
    assert read(*fed_by_byte(stream), max_bytes=limit) == whole


@settings(max_examples=100, deadline=None)
@given(noise=st.binary(max_size=300))
def test_noise_is_read_or_refused(noise: bytes) -> None:
    messages = read(noise)
    assert read(*fed_by_byte(noise)) == messages
    assert not any(isinstance(message, Broken) for message in messages[:-1])


def open_protocol(max_bytes: int) -> ServerProtocol:
    """One of websockets, after its handshake."""
    protocol = ServerProtocol(max_size=max_bytes, logger=logging.getLogger("oracle"))
    protocol.receive_data(
        b"GET / HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    protocol.data_to_send()
    assert protocol.state is State.OPEN
    return protocol


def read_by_websockets(stream: bytes, max_bytes: int) -> list[int | Message]:
    """What websockets makes of it: messages and controls, and its code where it refuses it.

    It leaves the joining of fragments and their UTF-8 to who uses it: as that is done here.
    """
    protocol = open_protocol(max_bytes)
    protocol.receive_data(stream)
    messages: list[int | Message] = []
    kind, payload = TEXT, b""
    for event in protocol.events_received():
        assert isinstance(event, Frame)
        opcode, data = Opcode(event.opcode), bytes(event.data)
        if opcode >= CLOSE:
            messages.append(Control(opcode, data))
            continue
        if opcode != CONT:
            kind, payload = opcode, b""
        payload += data
        if event.fin:
            try:
                messages.append(payload.decode() if kind == TEXT else payload)
            except UnicodeDecodeError:
                return [*messages, CloseCode.INVALID_DATA]
    if protocol.parser_exc is not None:
        assert protocol.close_sent is not None
        messages.append(int(protocol.close_sent.code))
    return messages


def some_frames(rng: random.Random) -> bytes:
    """Mostly a conversation as it should be, with a fault now and then."""
    stream, within = b"", False
    for _ in range(rng.randrange(1, 12)):
        payload = rng.choice([b"", b"a" * rng.randrange(400), "né€".encode(), b"\x00" * 70])
        fin = rng.random() < 0.6
        choice = rng.random()
        if within and choice < 0.27:
            # websockets counts the bytes of a control, and of a fault, as of the message around.
            payload = b""
        if choice < 0.2:
            stream += frame(rng.choice([PING, PONG]), payload[:125])
        elif choice < 0.23 and not within:
            # websockets refuses a close within a message, though RFC 6455 does not.
            # Of a wrong code with a wrong reason, it refuses the reason.
            wrong_reason = rng.random() < 0.3
            return stream + (
                close(1000, b"\xff") if wrong_reason else close(rng.randrange(900, 5100))
            )
        elif choice < 0.27:
            opcode = rng.choice([CONT, TEXT, BINARY, PING, 5, 12])
            stream += frame(opcode, payload, fin=fin, rsv=rng.choice([0, 0, 1, 2, 4]))
            within = (within or opcode in {TEXT, BINARY}) and not (opcode != PING and fin)
        elif choice < 0.28:
            stream += b"\x81\x01a"
        elif choice < 0.30 and not within:
            stream += frame(TEXT, b"a\xff")
        else:
            stream += frame(CONT if within else rng.choice([TEXT, BINARY]), payload, fin=fin)
            within = not fin
    return stream


def test_websockets_reads_the_same() -> None:
    rng = random.Random(6455)
    seen = set()
    for _ in range(3000):
        stream = some_frames(rng)
        expected = read_by_websockets(stream, 800)
        assert codes(read(stream, max_bytes=800)) == expected, stream
        seen.add(expected[-1] if expected and isinstance(expected[-1], int) else None)
    assert seen == {None, 1002, 1007, 1009}
