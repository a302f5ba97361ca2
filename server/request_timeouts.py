"""uvicorn's HTTP, of which every request must come whole in time and may not be too long in its
head. uvicorn itself waits for ever, and for as many headers as somebody likes.

`tests/unit/test_uvicorn_contract.py` holds every name of uvicorn that is relied on here.
"""

import asyncio
import logging
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.gateway.refusals import RefusalReason, Refusals
from server.gateway.websocket import LINGER_S

MAX_HEADERS: Final = 100
MAX_HEAD_BYTES: Final = 64 * 1024
"""Of all that comes before the body; what is read in one go is read in any case."""

_HEADERS: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"connection", b"close"),
    (b"cache-control", b"no-store"),
)

# What it warns of is what any client may send, as often as it likes. It is counted instead.
_log: Final = logging.getLogger("uvicorn.error.requests")
_log.setLevel(logging.ERROR)


class _TooManyHeaders(Exception):
    """More than MAX_HEADERS."""


class TimedRequests(HttpToolsProtocol):
    """One connection of HTTP, until a WebSocket takes it over."""

    def __init__(self, refusals: Refusals, **given: Any) -> None:
        super().__init__(**given)
        self.logger = _log
        self._refusals = refusals
        self._is_refused = False  # nothing that comes is looked at any more
        self._head_bytes: int | None = 0  # None while a body comes, or an answer is made

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Part of a protocol: somebody is there, and has so long to say what they want."""
        super().connection_made(transport)
        self._refusals.slow.begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol."""
        self._refusals.slow.end(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        if self._is_refused:
            return
        self._refusals.slow.begin(self)  # until a request is there; line ends alone are none
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(RefusalReason.TOO_LARGE, "431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._head_bytes = 0
        self._refusals.slow.begin(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of a request, or of the end of its body."""
        if len(self.headers) >= MAX_HEADERS:
            raise _TooManyHeaders
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        super().on_headers_complete()
        self._head_bytes = None

    def on_message_complete(self) -> None:
        """A request is there in whole: what takes time from now on is the answer."""
        self._refusals.slow.end(self)
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """It is to be a WebSocket."""
        self._refusals.slow.end(self)
        super().handle_websocket_upgrade()

    def expire(self) -> None:
        """The request has not come whole in time."""
        if self.flow.read_paused:  # it is us who do not read it
            self._refusals.slow.begin(self)
            return
        if self._head_bytes == 0:  # it has said nothing: browsers connect before they ask
            self._refusals.count(RefusalReason.SLOW)
            self.transport.close()
        else:
            self._refuse(RefusalReason.SLOW, "408 Request Timeout")

    def send_400_response(self, msg: str) -> None:
        """What has come is no request."""
        self._refuse(RefusalReason.BAD_REQUEST, "400 Bad Request")

    def _refuse(self, reason: RefusalReason, status: str) -> None:
        """Say so where no answer has begun, and hang up."""
        if self.transport.is_closing() or self._is_refused:
            return
        self._refusals.count(reason, status)
        in_head = self._head_bytes is not None
        if in_head or not self.cycle.response_started:
            headers = (*self.server_state.default_headers, *_HEADERS)
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            words = reason.words.encode()
            self.transport.write(
                b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b"
                % (status.encode(), head, len(words), words)
            )
        if reason is RefusalReason.SLOW:
            self.transport.close()
        else:
            # Were all of it closed while it still sends, the system would throw away the answer.
            self._is_refused = True
            self._refusals.slow.end(self)
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self.transport.abort)
