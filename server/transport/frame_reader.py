"""The frames that one client sends over a WebSocket: bytes to messages.

It reads no socket, and knows nothing of handshakes. No extensions.

Not a library: to read a message of 150 bytes takes 0.8 to 1.0 µs of CPU here, 4.3 to 5.8 in the
sans-I/O protocol of `websockets` 17 and 14 to 18 in `wsproto` 1.3 (in turns in one process, Python
3.11); a strike that is not stored takes some 13 in all. Both also took 100,000 empty fragments of
one message, for 5 and 10 s of CPU: see SPARE_FRAGMENTS. Unmasking is that of `websockets`.
Source: RFC 6455, sections 5 (frames), 7.4 (codes of a close) and 8.1 (text is UTF-8).
"""

from codecs import utf_8_decode
from typing import Final, NamedTuple, TypeAlias

from server.transport.rfc6455 import (
    LENGTH_16,
    LENGTH_64,
    MAX_CONTROL,
    CloseCode,
    Opcode,
    is_code,
)

try:
    from websockets.speedups import apply_mask
except ImportError:  # no C build on this machine
    from websockets.utils import apply_mask


class Control(NamedTuple):
    """A ping, a pong or a close, with its payload as it came.

    That of a close is empty, or two bytes of code and a reason in UTF-8. Sent back with `encode`,
    it answers the close.
    """

    opcode: Opcode
    data: bytes


class Broken(NamedTuple):
    """What a client did wrong: the code and the reason to close its connection with."""

    code: CloseCode
    reason: str


Message: TypeAlias = str | bytes | Control | Broken

SPARE_FRAGMENTS: Final = 1024
"""So many fragments of a message may be as short as the client likes, or empty."""

FRAGMENT_BYTES: Final = 64
"""Beyond the spare ones, a fragment for each so many bytes of the message that have come."""

_FINAL: Final = 0x80  # of the first byte
_TEXT: Final = _FINAL | Opcode.TEXT  # the first byte of a text in one frame
_MASKED: Final = 0x80  # of the second byte
_MASKED_16: Final = _MASKED | LENGTH_16
_WIDTHS: Final = {LENGTH_16: 2, LENGTH_64: 8}

_CONTROLS: Final = {int(o): o for o in (Opcode.CLOSE, Opcode.PING, Opcode.PONG)}


class _Violation(Exception):
    """A frame that may not be. Its arguments are those of Broken."""


class _Unfinished:
    """A message of which a part has come, unmasked as it comes.

    One bytearray, no list of pieces: however many fragments, it takes as much as the message has.
    """

    __slots__ = ("_is_dropped", "_is_text", "_key", "_payload", "_unread", "fragments", "is_last",
                 "left")  # fmt: skip

    def __init__(self, is_text: bool) -> None:
        self.left = 0
        """Bytes of the frame at hand that have not come."""
        self.is_last = False
        """Whether the frame at hand ends the message."""
        self.fragments = 0
        self._is_text = is_text
        self._key = b""
        self._payload = bytearray()
        self._unread = b""  # the beginning of a character
        self._is_dropped = False

    def __len__(self) -> int:
        return len(self._payload)

    def begin(self, size: int, key: bytes, is_last: bool) -> None:
        """Starts a frame of so many bytes."""
        self.fragments += 1
        self.left = size
        self.is_last = is_last
        self._key = key

    def add(self, masked: bytes) -> None:
        """Adds bytes of the frame at hand. Raises UnicodeDecodeError as soon as it is no text."""
        self.left -= len(masked)
        if self._is_dropped:
            return
        plain = apply_mask(masked, self._key)
        turn = len(plain) & 3
        if turn:
            self._key = self._key[turn:] + self._key[:turn]
        if self._is_text and (self._unread or not plain.isascii()):
            unread = self._unread + plain
            self._unread = unread[utf_8_decode(unread, "strict", False)[1] :]
        self._payload += plain

    def drop(self) -> None:
        """Hold nothing of it: what has come and what is to come."""
        self._is_dropped = True
        self._payload = bytearray()
        self._unread = b""

    def message(self) -> str | bytes:
        """All of it, or nothing where it was dropped.

        Raises UnicodeDecodeError where it ends within a character.
        """
        return self._payload.decode() if self._is_text else bytes(self._payload)


class FrameReader:
    """What one client sends, however its bytes are cut. Idle, it holds nothing but its limits.

    `max_bytes` are those of the payload of a message, with all its fragments. They are counted
    from the headers: of what is too large, nothing is kept.
    """

    __slots__ = ("_is_over", "_max_bytes", "_max_small", "_skims", "_tail", "_unfinished")

    def __init__(self, max_bytes: int) -> None:
        self.limit(max_bytes)
        self._tail = b""  # of a header, or of a control frame: less than 131 bytes
        self._unfinished: _Unfinished | None = None
        self._is_over = False
        self._skims = False

    def limit(self, max_bytes: int) -> None:
        """Set the limit of a message, for the frames that begin from now on."""
        self._max_bytes = max_bytes
        # The second byte of the longest masked frame that is short and not too large.
        self._max_small = _MASKED | min(max_bytes, MAX_CONTROL)

    def skim(self) -> None:
        """Hold no more parts of messages: only what comes in one piece, and the close, matters."""
        self._skims = True
        if self._unfinished is not None:
            self._unfinished.drop()

    @property
    def unfinished_bytes(self) -> int:
        """How many bytes of a message are held that has begun and not ended."""
        return 0 if self._unfinished is None else len(self._unfinished)

    @property
    def unfinished(self) -> object | None:
        """The message that has begun and not ended: the same object for as long as it is the same.

        A control frame is none, nor is the header that a message begins with: they are short.
        """
        return self._unfinished

    def feed(self, data: bytes) -> list[Message]:
        """The messages and control frames that end in these bytes, in their order.

        A close ends them, and so does Broken: whatever follows is not read.
        """
        messages: list[Message] = []
        if self._is_over:
            return messages
        if self._tail:
            data = self._tail + data
            self._tail = b""
        at = 0
        end = len(data)
        last = end - 6  # where the shortest frame may begin
        max_small = self._max_small
        try:
            while at < end:
                if self._unfinished is None:
                    # Texts in one short frame are nearly all there is: they are read here, with
                    # no call but those in C. What is anything else, or wrong, is left to _read.
                    while at <= last and data[at] == _TEXT:
                        size = data[at + 1]
                        if _MASKED <= size <= max_small:
                            start = at + 6
                            stop = start + size - _MASKED
                        elif size == _MASKED_16:
                            size = data[at + 2] << 8 | data[at + 3]
                            start = at + 8
                            stop = start + size
                            if size < LENGTH_16 or size > self._max_bytes:
                                break
                        else:
                            break
                        if stop > end:
                            break
                        text = apply_mask(data[start:stop], data[start - 4 : start])
                        messages.append(text.decode())
                        at = stop
                if at < end:
                    at = self._read(data, at, messages)
        except (_Violation, UnicodeDecodeError) as fault:
            self._end(messages, _broken(fault))
        return messages

    def feed_one(self, data: bytes) -> tuple[Message | None, bytes]:
        """The first message or control frame that ends in these bytes, and the bytes after it.

        Those are not read: feed them again once the message was handled. None where nothing ends.
        """
        messages: list[Message] = []
        if self._is_over:
            return None, b""
        if self._tail:
            data = self._tail + data
            self._tail = b""
        at = 0
        try:
            while at < len(data) and not messages:
                at = self._read(data, at, messages)
        except (_Violation, UnicodeDecodeError) as fault:
            self._end(messages, _broken(fault))
        return (messages[0], data[at:]) if messages else (None, b"")

    def _end(self, messages: list[Message], last: Broken | Control) -> None:
        messages.append(last)
        self._is_over = True
        self._tail = b""
        self._unfinished = None

    def _read(self, data: bytes, at: int, messages: list[Message]) -> int:
        """Reads one frame, or what there is of it. Returns where the next begins.

        Raises _Violation, UnicodeDecodeError.
        """
        unfinished = self._unfinished
        if unfinished is not None and unfinished.left:
            return self._add(unfinished, data, at, messages)
        if len(data) < at + 2:
            return self._keep(data, at)
        fault = _fault(data[at], data[at + 1], unfinished is not None)
        if fault:
            raise _Violation(CloseCode.PROTOCOL_ERROR, fault)
        opcode = data[at] & 0x0F
        if opcode in _CONTROLS:
            return self._read_control(data, at, messages)

        start = at + 6 + _WIDTHS.get(data[at + 1] & 0x7F, 0)
        size = 0
        if len(data) >= start - 4:
            # What is wrong with it is said at once: its key and its payload may never come.
            size = _size(data, at, start - 4)
            self._check_size(size)
        if len(data) < start:
            return self._keep(data, at)
        is_last = data[at] >= _FINAL
        key = data[start - 4 : start]
        if unfinished is None:
            stop = start + size
            if is_last and stop <= len(data):
                payload = apply_mask(data[start:stop], key)
                messages.append(payload.decode() if opcode == Opcode.TEXT else payload)
                return stop
            unfinished = self._unfinished = _Unfinished(opcode == Opcode.TEXT)
            if self._skims:
                unfinished.drop()
        unfinished.begin(size, key, is_last)
        return self._add(unfinished, data, start, messages)

    def _check_size(self, size: int) -> None:
        """Raises _Violation where a frame of so many bytes may not be read."""
        unfinished = self._unfinished
        if size + (0 if unfinished is None else len(unfinished)) > self._max_bytes:
            raise _Violation(
                CloseCode.TOO_LARGE, f"a message must have at most {self._max_bytes} bytes"
            )
        # Limits count messages, and empty fragments have no bytes to count: a client could keep
        # the server at work for ever within one message. Not TOO_LARGE: it may well be short.
        if (
            unfinished is not None
            and unfinished.fragments >= SPARE_FRAGMENTS + len(unfinished) // FRAGMENT_BYTES
        ):
            raise _Violation(CloseCode.POLICY, "the message has too many fragments")

    def _keep(self, data: bytes, at: int) -> int:
        self._tail = data[at:]
        return len(data)

    def _add(self, unfinished: _Unfinished, data: bytes, at: int, messages: list[Message]) -> int:
        masked = data[at : at + unfinished.left]
        unfinished.add(masked)
        if unfinished.is_last and not unfinished.left:
            messages.append(unfinished.message())
            self._unfinished = None
        return at + len(masked)

    def _read_control(self, data: bytes, at: int, messages: list[Message]) -> int:
        start = at + 6
        stop = start + data[at + 1] - _MASKED
        if stop > len(data):
            return self._keep(data, at)
        control = Control(
            _CONTROLS[data[at] & 0x0F], apply_mask(data[start:stop], data[at + 2 : start])
        )
        if control.opcode is not Opcode.CLOSE:
            messages.append(control)
            return stop
        _check_close(control.data)
        self._end(messages, control)
        return len(data)


def _broken(fault: _Violation | UnicodeDecodeError) -> Broken:
    if isinstance(fault, _Violation):
        return Broken(*fault.args)
    return Broken(CloseCode.INVALID_DATA, "the text is not UTF-8")


def _fault(first: int, second: int, is_within: bool) -> str | None:
    """What is wrong with the first two bytes of a frame, within a message or not."""
    opcode = first & 0x0F
    if first & 0x70:
        return "a reserved bit is set"
    if second < _MASKED:
        return "the frame is not masked"
    if opcode in _CONTROLS:
        if first < _FINAL:
            return "the control frame is fragmented"
        return "the control frame is too long" if second & 0x7F > MAX_CONTROL else None
    fault = None
    if opcode > Opcode.BINARY:
        fault = "the opcode is unknown"
    elif opcode == Opcode.CONT and not is_within:
        fault = "a continuation frame without a message"
    elif opcode != Opcode.CONT and is_within:
        fault = "a new message before the end of the previous one"
    return fault


def _size(data: bytes, at: int, stop: int) -> int:
    """The length in the header at `at`, which ends at `stop` but for its key.

    Raises _Violation unless it is written as RFC 6455, 5.2, will have it: "the minimal number of
    bytes MUST be used to encode the length", and the most significant bit of 64 is 0.
    """
    size = data[at + 1] & 0x7F
    if size < LENGTH_16:
        return size
    least, bound = (1 << 16, 1 << 63) if size == LENGTH_64 else (LENGTH_16, 1 << 16)
    size = int.from_bytes(data[at + 2 : stop], "big")
    if not least <= size < bound:
        raise _Violation(CloseCode.PROTOCOL_ERROR, "the length is not minimally encoded")
    return size


def _check_close(payload: bytes) -> None:
    """Raises _Violation, UnicodeDecodeError unless it is what a close may say."""
    if not payload:
        return
    if len(payload) == 1:
        raise _Violation(CloseCode.PROTOCOL_ERROR, "the close frame has an incomplete code")
    if not is_code(int.from_bytes(payload[:2], "big")):
        raise _Violation(CloseCode.PROTOCOL_ERROR, "the close frame has a forbidden code")
    payload[2:].decode()
