"""Engine.IO by polling: bodies of requests, the poll that waits, and the upgrade to a WebSocket.

Browsers and HTTP libraries send a request again, unasked, where its connection broke under it. The
first answer to a poll would be lost with all that it held, and the session would go on as if
nothing were missing. So a session ends where a poll breaks off before its answer, where a second
one comes while the first waits, and where one is sent again: clients give each a `t` of its own.
"""

import asyncio
import base64
from typing import TYPE_CHECKING, Final

from server.transport import rfc6455
from server.transport.outbox import Outbox
from server.transport.websocket import WebSocket

if TYPE_CHECKING:
    from server.transport.engineio import EngineIOSession

PYTHON_MAX_PACKETS: Final = 16
"""In one answer to python-engineio's clients: with more they end the session, again and again."""
MAX_PACKETS: Final = 1024
"""In the body of one request: what a client has ready in a burst."""
BATCH_BYTES: Final = 64 * 1024
"""In one answer; a packet that is larger comes alone."""
SEPARATOR: Final = b"\x1e"
CLOSE: Final = b"1"
NOOP: Final = b"6"

PROBE_S: Final = 10.0
"""How long a WebSocket may take to show that it carries what a poll carries."""
_PROBE: Final = "2probe"
_PROBED: Final = rfc6455.encode(b"3probe")
_UPGRADE: Final = "5"


class NotAPayload(Exception):
    """The body of a request is not made of packets."""


def decode(body: bytes) -> list[str | bytes]:
    """The packets of a body: those that begin with `b` are bytes in base64.

    Raises NotAPayload.
    """
    if not body:
        return []
    if body.count(SEPARATOR) >= MAX_PACKETS:  # before half a million texts are made of it
        raise NotAPayload(f"it has more than {MAX_PACKETS} packets")
    try:
        packets = body.decode().split("\x1e")
    except UnicodeDecodeError:
        raise NotAPayload("it is not UTF-8") from None
    return [_packet(packet) for packet in packets]


def _packet(text: str) -> str | bytes:
    if not text:
        raise NotAPayload("it has an empty packet")
    if text[0] != "b":
        return text
    try:
        return base64.b64decode(text[1:], validate=True)
    except ValueError:
        raise NotAPayload("a packet is not base64") from None


def encode_binary(data: bytes) -> bytes:
    """A message of bytes as a packet."""
    return b"b" + base64.b64encode(data)


class Poll:
    """The poll of a session that waits for its answer."""

    def __init__(self) -> None:
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.body = NOOP

    def answer(self, body: bytes) -> None:
        """Answer it. Only the first answer counts."""
        if self.waits:
            self.body = body
            self._answer.set_result(None)

    @property
    def waits(self) -> bool:
        """Whether it has no answer yet."""
        return not self._answer.done()

    async def answered(self) -> None:
        """Wait for the answer."""
        await self._answer


class Polling:
    """The transport of a session that polls: takes from its outbox where a poll waits."""

    __slots__ = ("_outbox", "_poll", "_scheduled", "ending", "has_body", "last",
                 "max_packets")  # fmt: skip

    def __init__(self, outbox: Outbox, max_packets: int | None) -> None:
        self._outbox = outbox
        self._poll: Poll | None = None
        self._scheduled = False
        self.max_packets = max_packets
        self.has_body = False
        """Whether a body of packets is coming in: clients send one after the other."""
        self.last = ""
        """The `t` of the poll that came last."""
        self.ending: bytes | None = None
        """What polls are answered with instead of waiting: the session moves on, or ends."""
        outbox.taker = self

    @property
    def unsent(self) -> int:
        """Nothing is known of what the system holds: what was answered counts in the outbox."""
        return 0

    @property
    def waiting(self) -> bool:
        """Whether a poll waits."""
        return self._poll is not None and self._poll.waits

    def begin(self) -> Poll:
        """A poll has come. What the last answer held has arrived, or it would not be here."""
        self._outbox.has_left()
        self._poll = poll = Poll()
        self._answer()
        return poll

    def wake(self) -> None:
        """Something waits where nothing did: answer once all is done that can be done now."""
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._woken)

    def _woken(self) -> None:
        self._scheduled = False
        self._answer()

    def _answer(self) -> None:
        poll = self._poll
        if poll is None or not poll.waits:
            return
        if len(self._outbox):
            parts = self._outbox.take_parts(BATCH_BYTES, self.max_packets)
            self._outbox.hand_out(sum(map(len, parts)))
            poll.answer(SEPARATOR.join(parts))
        elif self.ending is not None:
            poll.answer(self.ending)

    def end(self, word: bytes) -> None:
        """Answer polls with a word from now on, once what waits was answered."""
        self.ending = word
        self._answer()

    def cut(self, word: bytes) -> None:
        """Answer the poll that waits with a word, whatever waits."""
        if self._poll is not None:
            self._poll.answer(word)


class Probe:
    """A WebSocket that asks to carry a session that polls."""

    def __init__(self, session: "EngineIOSession") -> None:
        self._session = session
        self._probed = False
        self._timer = asyncio.get_running_loop().call_later(PROBE_S, self.give_up)
        self.socket: WebSocket | None = None
        session.probe = self

    def text(self, text: str) -> None:
        """`2probe` is answered, and lets the poll go that waits; then `5` is the moment."""
        session, polling = self._session, self._session.polling
        assert self.socket is not None
        if text == _PROBE and not self._probed and polling is not None:
            self._probed = True
            self.socket.outbox.push(_PROBED)
            polling.end(NOOP)
        elif text == _UPGRADE and self._probed and not session.closed:
            self._timer.cancel()
            session.probe = None
            self.socket.flush()
            session.carried_by(self.socket)
        else:
            self.give_up()

    def binary(self, data: bytes) -> None:
        """Nothing that belongs here."""
        self.give_up()

    def pinged(self) -> None:
        """Nothing that belongs here."""
        self.give_up()

    def pong(self) -> None:
        """Nothing that anybody asked for."""
        self.give_up()

    def arriving(self, size: int) -> None:
        """Nothing as long as that belongs here."""
        self.give_up()

    def lost(self) -> None:
        """The session goes on as it was."""
        self._timer.cancel()
        if self._session.probe is self:
            self._session.probe = None
            if self._session.polling is not None and not self._session.closed:
                self._session.polling.ending = None

    def give_up(self) -> None:
        """Close it."""
        if self.socket is not None:
            self.socket.close()
