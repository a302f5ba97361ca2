"""The server of Engine.IO: its sessions, and the requests that open, carry and upgrade them."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, NamedTuple, Protocol
from urllib.parse import parse_qs

import msgspec
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from protocol.endings import RefusalReason
from protocol.errors import Failure
from server.runtime.status import STATUS, headers
from server.transport.deadlines import Heartbeat
from server.transport.engineio import FRAMED, EngineIOSession, Handler
from server.transport.handshake import take_over
from server.transport.limits import address_of
from server.transport.listener import Deaf
from server.transport.outbox import Outbox, OutboxLimits
from server.transport.polling import CLOSE, PYTHON_MAX_PACKETS, NotAPayload, Polling, Probe, decode
from server.transport.refusals import Refusals
from server.transport.websocket import RESTRICTED_BYTES, Turn

VERSION: Final = "4"
_JSON: Final = "application/json"
_TEXT: Final = "text/plain; charset=UTF-8"


AllowsOrigin = Callable[[str, Scope], bool]
"""Whether a page from an origin may make a request."""


class Places(Protocol):
    """Places for connections: each has one, counted by the address of its client."""

    def place(self, address: str) -> AbstractContextManager[None]:
        """Take a place, and give it back where what follows fails.

        Raises Failure `rate_limited` where there is none.
        """
        ...

    def leave(self, address: str) -> None:
        """Give a place back, once."""
        ...


class Options(NamedTuple):
    """What is said to each client: when it is pinged, and what it may send at once, in bytes."""

    ping_interval_ms: int
    ping_timeout_ms: int
    max_payload: int


class Refused(Exception):
    """A request that is not taken, with Engine.IO's number for why, and the status of HTTP.

    `reason` counts it: None where the end of its session counts already.
    Source: `Server.errors` of engine.io.
    """

    def __init__(
        self,
        code: int,
        message: str,
        status: int = 400,
        reason: RefusalReason | None = RefusalReason.BAD_REQUEST,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.response = Response(
            msgspec.json.encode({"code": code, "message": message}), status, media_type=_JSON
        )


class _Asked(NamedTuple):
    """The query of a request."""

    version: str
    transport: str
    sid: str
    stamp: str


def _asked(scope: Scope) -> _Asked:
    query: dict[str, list[str]] = parse_qs(scope["query_string"].decode("latin-1"))

    def first(name: str) -> str:
        return query.get(name, [""])[0]

    return _Asked(first("EIO"), first("transport"), first("sid"), first("t"))


class EngineIOServer:
    """All sessions of one path. `opened` names the handler of each that is new."""

    def __init__(
        self,
        options: Options,
        bounds: OutboxLimits,
        allows_origin: AllowsOrigin,
        opened: Callable[[EngineIOSession], Handler],
        refusals: Refusals,
        admission: Places,
    ) -> None:
        self.bounds = bounds
        self.refusals = refusals
        self.heartbeat = Heartbeat(options.ping_interval_ms / 1000, options.ping_timeout_ms / 1000)
        self._options = options
        self._allows_origin = allows_origin
        self._admission = admission
        self._opened = opened
        self._turn = Turn()
        self._sessions: dict[str, EngineIOSession] = {}
        self._empty = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request. An ASGI application."""
        asked = _asked(scope)
        try:
            self._check(scope, asked)
            if scope["type"] == "websocket":
                await self._websocket(scope, asked, receive, send)
                return
            response = await self._polling(scope, asked, receive, send)
        except Refused as e:
            if e.reason is not None:
                self.refusals.count(e.reason, str(e))
            response = e.response
        except ClientDisconnect:
            return
        self._allow(scope, response)
        await response(scope, receive, send)

    def _check(self, scope: Scope, asked: _Asked) -> None:
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not self._allows_origin(origin, scope):
            raise Refused(4, "Forbidden", 403, RefusalReason.ORIGIN)
        if scope.get("method") == "OPTIONS":
            return
        if asked.transport not in ("polling", "websocket"):
            raise Refused(0, "Transport unknown")
        if asked.version != VERSION:
            raise Refused(5, "Unsupported protocol version")
        if (asked.transport == "websocket") != (scope["type"] == "websocket"):
            raise Refused(3, "Bad request")

    @staticmethod
    def _allow(scope: Scope, response: Response) -> None:
        response.headers["Cache-Control"] = "no-store"
        origin = Headers(scope=scope).get("origin")
        if origin is not None and response.status_code != 403:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Credentials"] = "true"
            response.headers["Vary"] = "Origin"

    # ---- sessions

    @contextmanager
    def _place(self, scope: Scope) -> Iterator[None]:
        """A place for a session that is to begin, and is given back with it. Raises Refused."""
        try:
            with self._admission.place(address_of(scope)):
                yield
        except Failure as e:
            refused = Refused(4, e.error.message, STATUS[e.error.code], None)
            refused.response.headers.update(headers(e.error))
            raise refused from None

    def _new(self, scope: Scope, max_packets: int | None = None) -> EngineIOSession:
        """A session that has its place."""
        session = EngineIOSession(self, address_of(scope), max_packets)
        self._sessions[session.sid] = session
        self._empty.clear()
        return session

    def _begin(self, session: EngineIOSession) -> None:
        session.handler = self._opened(session)
        self.heartbeat.start(session)

    def _open_packet(self, session: EngineIOSession, upgrades: list[str]) -> bytes:
        options = self._options
        said = {
            "sid": session.sid,
            "upgrades": upgrades,
            "pingInterval": options.ping_interval_ms,
            "pingTimeout": options.ping_timeout_ms,
            "maxPayload": options.max_payload,
        }
        return b"0" + msgspec.json.encode(said)

    def _find(self, sid: str) -> EngineIOSession:
        session = self._sessions.get(sid)
        if session is None:
            raise Refused(1, "Session ID unknown", reason=RefusalReason.UNKNOWN_SESSION)
        return session

    def forget(self, session: EngineIOSession) -> None:
        """A session is over, and nothing of it is under way."""
        if self._sessions.pop(session.sid, None) is not None:
            self._admission.leave(session.address)
            session.free()
        if not self._sessions:
            self._empty.set()

    async def close(self, timeout_s: float) -> None:
        """Hang up on everybody, and see them off; what is not gone by then is cut off."""
        for session in list(self._sessions.values()):
            session.close()
        if self._sessions:
            try:
                await asyncio.wait_for(self._empty.wait(), timeout_s)
            except TimeoutError:
                for session in list(self._sessions.values()):
                    session.abort()

    # ---- WebSocket

    async def _websocket(self, scope: Scope, asked: _Asked, receive: Receive, send: Send) -> None:
        session = self._find(asked.sid) if asked.sid else None
        if session is None:
            with self._place(scope):
                await receive()
                await send({"type": "websocket.accept"})
                self._begin_over(scope)
            return
        session.count_junk()
        await receive()
        await send({"type": "websocket.accept"})
        outbox, most = Outbox(self.bounds, FRAMED), self._options.max_payload
        if session.polling is None or session.probe or session.closed:
            # Closed rather than refused, as by the reference: its clients take a refusal for a
            # fault of the server.
            take_over(scope, Deaf(), outbox, self._turn, 0).close()
            return
        probe = Probe(session)
        probe.socket = take_over(scope, probe, outbox, self._turn, most)
        if session.is_restricted:
            probe.socket.restrict()

    def _begin_over(self, scope: Scope) -> None:
        """Begin a session over a WebSocket."""
        session = self._new(scope)
        most = self._options.max_payload
        session.carried_by(take_over(scope, session, session.outbox, self._turn, most))
        session.send_packet(self._open_packet(session, []))
        self._begin(session)

    # ---- polling

    async def _polling(self, scope: Scope, asked: _Asked, receive: Receive, send: Send) -> Response:
        method = scope["method"]
        request = Request(scope, receive)
        if method == "OPTIONS":
            return self._preflight(request)
        if not asked.sid:
            if method != "GET":
                raise Refused(2, "Bad handshake method")
            return self._handshake(request)
        session = self._find(asked.sid)
        if session.polling is None:
            raise Refused(3, "Bad request")
        if method == "GET":
            if self.heartbeat.is_late(session):
                session.silent()
                raise Refused(1, "Session ID unknown", reason=None)
            return await self._poll(session, asked.stamp, receive)
        if method == "POST" and not session.closed:
            return await self._post(session, request)
        raise Refused(3, "Bad request")

    @staticmethod
    def _preflight(request: Request) -> Response:
        headers = {
            "Access-Control-Allow-Methods": "GET,POST",
            "Access-Control-Allow-Headers": request.headers.get(
                "access-control-request-headers", ""
            ),
        }
        return Response(status_code=204, headers=headers)

    def _handshake(self, request: Request) -> Response:
        agent = request.headers.get("user-agent", "").lower()
        most = PYTHON_MAX_PACKETS if agent.startswith("python") else None
        with self._place(request.scope):
            session = self._new(request.scope, most)
        self._begin(session)
        return Response(self._open_packet(session, ["websocket"]), media_type=_TEXT)

    async def _poll(self, session: EngineIOSession, stamp: str, receive: Receive) -> Response:
        polling = session.polling
        assert polling is not None
        if polling.waiting or (stamp and stamp == polling.last):
            session.refuse(RefusalReason.BROKEN_POLL, "a second poll", CLOSE)
            raise Refused(1, "Session ID unknown", reason=None)
        polling.last = stamp
        poll = polling.begin()
        watching = asyncio.ensure_future(_until_gone(receive))
        answer = asyncio.ensure_future(poll.answered())
        await asyncio.wait((watching, answer), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            session.refuse(RefusalReason.BROKEN_POLL, "a poll was interrupted")
        watching.cancel()
        answer.cancel()
        if session.closed and not len(session.outbox):
            self.forget(session)
        return Response(poll.body, media_type=_TEXT)

    async def _body(self, session: EngineIOSession, polling: Polling, request: Request) -> bytes:
        """The body of a request. Of a client that has too much to handle it is read later."""
        if polling.has_body:
            session.refuse(RefusalReason.BROKEN_POLL, "a second body")
            raise Refused(3, "Bad request", reason=None)
        polling.has_body = True
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                restricted = session.is_restricted
                if len(body) > (RESTRICTED_BYTES if restricted else self._options.max_payload):
                    session.refuse(RefusalReason.TOO_LARGE)
                    raise Refused(3, "Payload too large", 413, None)
                session.arriving(len(body))
                await session.readable()
        except ClientDisconnect:
            # What it held is lost.
            session.refuse(RefusalReason.BROKEN_POLL, "a body was interrupted")
            raise
        finally:
            polling.has_body = False
            session.arriving(0)
        if session.closed:
            raise Refused(1, "Session ID unknown", reason=None)
        return bytes(body)

    async def _post(self, session: EngineIOSession, request: Request) -> Response:
        assert session.polling is not None
        body = await self._body(session, session.polling, request)
        try:
            packets = decode(body)
        except NotAPayload as e:
            session.refuse(RefusalReason.PARSE_ERROR, str(e))
            raise Refused(3, f"Bad request: {e}", reason=None) from None
        if not packets:
            session.count_junk()
        for packet in packets:
            if isinstance(packet, str):
                session.text(packet)
            else:
                session.binary(packet)
        if session.ended == RefusalReason.PARSE_ERROR:
            raise Refused(3, "Bad request", reason=None)
        return Response("ok", media_type="text/html")


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
