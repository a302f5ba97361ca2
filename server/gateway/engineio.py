"""What python-engineio is given to read: packets, and nothing that it would stumble over.

Given a frame that is no packet, it lets the handler of the WebSocket crash, and the connection is
neither open nor gone until its ping times out. A polling body that it can't read it throws away
and answers with 200. Either leaves a traceback in the log, as often as a client likes.
"""

import base64
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from engineio.async_drivers import asgi
from engineio.exceptions import EngineIOError
from engineio.payload import Payload
from starlette.types import Receive, Scope, Send

from server.gateway.polling import session_of

MAX_PACKETS: Final = 1024
"""In one polling body. python-engineio's own 16 are less than a client has ready in a burst."""

_TYPES: Final = frozenset("0123456")
_NOTHING: Final = "6"
_SEPARATOR: Final = "\x1e"


class WebSocket(asgi.WebSocket):  # type: ignore[misc]
    """A WebSocket on which a frame that is no packet counts as a packet that says nothing."""

    async def wait(self) -> str | bytes:
        """The next frame. Raises OSError where there will be none."""
        frame: str | bytes = await super().wait()
        return frame if isinstance(frame, bytes) or frame[:1] in _TYPES else _NOTHING


class _Body:
    """The body of a polling request. Unless it is read whole and well, the session ends."""

    def __init__(self, environ: dict[str, Any], is_over: Callable[[], bool]) -> None:
        self._inner = environ["wsgi.input"]
        self._length = environ.get("CONTENT_LENGTH")
        self._is_over = is_over

    async def read(self, length: int) -> bytes:
        """All of it. Raises EngineIOError: it is answered with 400, and the session is closed.

        Of a session that has ended meanwhile nothing is read: python-engineio would have no
        answer.
        """
        raw: bytes = await self._inner.read(length)
        if self._is_over():
            return b""
        if str(len(raw)) != self._length:
            raise EngineIOError("the body is not as long as was said")
        if not _is_payload(raw):
            raise EngineIOError("the body is not made of packets")
        return raw


def _is_payload(raw: bytes) -> bool:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return False
    packets = text.split(_SEPARATOR)
    return not text or (len(packets) <= MAX_PACKETS and all(map(_is_packet, packets)))


def _is_packet(text: str) -> bool:
    if text[:1] != "b":
        return text[:1] in _TYPES
    try:
        base64.b64decode(text[1:], validate=True)
    except ValueError:
        return False
    return True


async def _translate_request(
    is_open: Callable[[str | None], bool], scope: Scope, receive: Receive, send: Send
) -> dict[str, Any]:
    environ: dict[str, Any] = await asgi.translate_request(scope, receive, send)
    if not environ:  # the client left before its request was there: answer nobody, quietly
        return {
            "REQUEST_METHOD": "OPTIONS",
            "QUERY_STRING": "EIO=4",
            "wsgi.url_scheme": "http",
            "asgi.scope": scope,
            "asgi.send": send,
        }
    session = session_of(scope)
    environ["wsgi.input"] = _Body(environ, lambda: not is_open(session))
    return environ


def drivers(is_open: Callable[[str | None], bool]) -> dict[str, Any]:
    """What an Engine.IO server reads and writes with; `is_open` knows its sessions."""
    Payload.max_decode_packets = MAX_PACKETS
    translate = partial(_translate_request, is_open)
    return {**asgi._async, "websocket": WebSocket, "translate_request": translate}
