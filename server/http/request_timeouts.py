"""uvicorn's HTTP, of which every request must come whole in time, be what RFC 9112 takes for one,
and have a head that is not too long.

Not an option of uvicorn: version 0.54 with `timeout_keep_alive=5` still held, after 75 s,
connections that had sent nothing, half a head and half a body, with h11 and with httptools; with
httptools it took a head of 8 MB. A timeout of asyncio in the application begins too late: uvicorn
calls it when the head is there.

`tests/unit/test_uvicorn_contract.py` holds every name of uvicorn that is relied on here.
"""

import asyncio
import logging
import re
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from protocol.endings import RefusalReason
from server.transport.refusals import Refusals
from server.transport.websocket import LINGER_S

MAX_HEADERS: Final = 100
MAX_HEAD_BYTES: Final = 16 * 1024
"""Of all that comes before the body. As much as Node takes by default: a token has up to 4 kB, and
a browser sends all cookies of a host."""
MAX_PIPELINED: Final = 16
"""Requests that came before the one ahead of them was answered. Browsers send none so."""

_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Za-z:.%_~-]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?"
)
"""A host and a port. Source: RFC 3986, 3.2.2 (host), and RFC 6874 (zones)."""

_HEADERS: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"connection", b"close"),
    (b"cache-control", b"no-store"),
)

# What it warns of is what any client may send, as often as it likes. It is counted instead.
_log: Final = logging.getLogger("uvicorn.error.requests")
_log.setLevel(logging.ERROR)


class _NotARequest(Exception):
    """What came is no request of RFC 9112, or has more than a request may have."""

    status = "400 Bad Request"
    reason = RefusalReason.BAD_REQUEST


class _HeadTooLarge(_NotARequest):
    """More than MAX_HEAD_BYTES."""

    status = "431 Request Header Fields Too Large"
    reason = RefusalReason.TOO_LARGE


class TimedRequests(HttpToolsProtocol):
    """One connection of HTTP, until a WebSocket takes it over."""

    def __init__(self, refusals: Refusals, **given: Any) -> None:
        super().__init__(**given)
        self.logger = _log
        self._refusals = refusals
        self._is_refused = False  # nothing that comes is looked at any more
        self._owed: tuple[RefusalReason, str] | None = None  # what follows the answers to come
        self._excused_s = 0.0  # for so long a request was waited for while it was not read
        self._last = b""  # the last bytes that came
        self._head_bytes: int | None = 0  # None while a body comes, or an answer is made
        self._fields_bytes = 0  # of the address and the headers of the request at hand
        self._fault: type[_NotARequest] = _NotARequest

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Part of a protocol: a client has connected, and has so long to send a request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of a protocol. Ends the reference cycles with what answers its requests."""
        self._end_expecting()
        super().connection_lost(exc)
        self.pipeline.clear()
        self.cycle = None  # type: ignore[assignment]

    def _expect(self) -> None:
        """A request is to come, whole and in time. Until then the client is unauthenticated."""
        self._refusals.slow.begin(self)
        self._refusals.unauthenticated.add(self, self.client[0] if self.client else "")

    def _end_expecting(self) -> None:
        self._refusals.slow.end(self)
        self._refusals.unauthenticated.discard(self)
        self._excused_s = 0.0

    def give_way(self) -> None:
        """Others wait to connect, and this one has sent no request yet."""
        if self._head_bytes == 0:
            self._refusals.count(RefusalReason.TOO_MANY_UNAUTHENTICATED)
            self.transport.close()
        else:
            self._refuse(RefusalReason.TOO_MANY_UNAUTHENTICATED, "503 Service Unavailable")

    def data_received(self, data: bytes) -> None:
        """Part of a protocol."""
        if self._is_refused:
            return
        self._expect()  # until a request is there; line ends alone are none
        self._last = (self._last + data)[-4:]
        super().data_received(data)
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_HeadTooLarge.reason, _HeadTooLarge.status)

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        # With an older one Starlette watches for the client's end while it sends a file, by tasks
        # whose cancellation leaves that file's content in a reference cycle.
        self.scope["asgi"]["spec_version"] = "2.4"
        self._head_bytes = self._fields_bytes = 0
        self._expect()

    def on_url(self, url: bytes) -> None:
        """Part of the address of a request."""
        self._count_head(len(url))
        super().on_url(url)

    def _count_head(self, size: int) -> None:
        """Raises _HeadTooLarge. What came in one piece counts as what came in many."""
        self._fields_bytes += size
        if self._fields_bytes > MAX_HEAD_BYTES:
            self._fault = _HeadTooLarge
            raise _HeadTooLarge

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of a request, or of the end of its body."""
        if len(self.headers) >= MAX_HEADERS:
            raise _NotARequest
        self._count_head(len(name) + len(value) + 4)  # with `: ` and the end of the line
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head of a request is there."""
        self._check_head()
        super().on_headers_complete()
        self._head_bytes = None

    def _check_head(self) -> None:
        """Raises _NotARequest.

        Source: RFC 9112, 2.3 (version) and 3.2 (Host); RFC 6455, 4.1 (a WebSocket needs 1.1).
        """
        version = self.parser.get_http_version()
        hosts = [value for name, value in self.headers if name == b"host"]
        if version not in ("1.0", "1.1") or len(hosts) > 1 or (version == "1.1" and not hosts):
            raise _NotARequest
        if not all(map(_HOST.fullmatch, hosts)):
            raise _NotARequest
        if version == "1.0" and self.parser.should_upgrade():
            raise _NotARequest
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _NotARequest

    def on_message_complete(self) -> None:
        """A request is there in whole: what takes time from now on is the answer."""
        self._end_expecting()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """It is to be a WebSocket. A client waits for the answer: RFC 6455, 4.1."""
        self._end_expecting()
        if not self._last.endswith((b"\r\n\r\n", b"\n\n")):
            self._refuse(RefusalReason.BAD_REQUEST, "400 Bad Request")
            return
        super().handle_websocket_upgrade()
        self.parser = None  # type: ignore[assignment]  # the two refer to each other

    def expire(self) -> None:
        """The request has not come whole in time."""
        if self.flow.read_paused and self._excused_s < self._refusals.standstill_s:
            self._excused_s += self._refusals.slow.limit_s
            self._refusals.slow.begin(self)  # the server does not read it
            return
        if self._head_bytes == 0:  # it has said nothing: browsers connect before they ask
            self._refusals.count(RefusalReason.SLOW)
            self.transport.close()
        else:
            self._refuse(RefusalReason.SLOW, "408 Request Timeout")

    def send_400_response(self, msg: str) -> None:
        """What has come is no request, or too much of one."""
        self._refuse(self._fault.reason, self._fault.status)

    @property
    def _owes_answers(self) -> bool:
        """Whether requests before the one at hand are not answered yet."""
        if self.pipeline:
            return True
        in_head = self._head_bytes is not None
        return in_head and self.cycle is not None and not self.cycle.response_complete

    def on_response_complete(self) -> None:
        """Part of uvicorn: an answer is complete. The last one before a refusal leads to that."""
        super().on_response_complete()
        if self._owed is not None and not self._owes_answers:
            owed, self._owed = self._owed, None
            self._answer_and_close(*owed)

    def _refuse(self, reason: RefusalReason, status: str) -> None:
        """Answer a request with a status, behind the answers to those before it, and close."""
        if self.transport.is_closing() or self._is_refused:
            return
        self._refusals.count(reason, status)
        self._is_refused = True
        self._end_expecting()
        if self._owes_answers:
            self._owed = reason, status
        else:
            self._answer_and_close(reason, status)

    def _answer_and_close(self, reason: RefusalReason, status: str) -> None:
        has_begun = self._head_bytes is None and self.cycle is not None
        if not (has_begun and self.cycle.response_started):
            headers = (*self.server_state.default_headers, *_HEADERS)
            head = b"".join(b"%b: %b\r\n" % header for header in headers)
            words = reason.words.encode()
            self.transport.write(
                b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b"
                % (status.encode(), head, len(words), words)
            )
        if has_begun:  # what the application still has to say goes nowhere
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if reason is RefusalReason.SLOW:
            self.transport.close()
        else:
            # Were all of it closed while it still sends, the system would throw away the answer.
            self.transport.write_eof()
            self.loop.call_later(LINGER_S, self.transport.abort)
