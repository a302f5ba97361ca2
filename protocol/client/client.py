"""A connection that comes back by itself, and goes on in its rooms where it was."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

import msgspec
import socketio

from protocol import codec
from protocol.domains import load
from protocol.errors import MEANING, Code, Error, Failure
from protocol.gateway import Joined, JoinRoom, LeaveRoom, Since, Verdict
from protocol.ids import uuid7
from protocol.message import Command, Kind, Query, find, spec_of
from protocol.message import Event as Message

R = TypeVar("R", bound=msgspec.Struct)

load()  # so that the registry knows every event that a server may tell

ATTEMPT_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
JOIN_S: Final = 30.0

Token = Callable[[], Awaitable[str]]
"""Gives an access token that is good now: asked for at every connect."""


class Received(NamedTuple):
    """An event. `event` is None where this client does not know its name or its form."""

    name: str
    event: Message | None
    data: Any
    meta: codec.Meta


class Client:
    """One connection to a Warroom server.

    `on_event` is called with every event, in order, and must return at once. `on_joined` is
    called with the verdict of every join, also of those after a reconnect.
    """

    def __init__(
        self,
        url: str,
        token: Token | None = None,
        *,
        service_key: str | None = None,
        on_event: Callable[[Received], None] | None = None,
        on_joined: Callable[[Joined], None] | None = None,
        transports: tuple[str, ...] = ("websocket",),
    ) -> None:
        if (token is None) == (service_key is None):
            raise ValueError("give a token or a service_key")
        self._url = url
        self._token = token
        self._service_key = service_key
        self._on_event = on_event or (lambda _: None)
        self._on_joined = on_joined or (lambda _: None)
        self._transports = list(transports)
        self._rooms: dict[str, Since | None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self._sio = socketio.AsyncClient(
            reconnection_delay=FIRST_PAUSE_S, reconnection_delay_max=LONGEST_PAUSE_S
        )
        self._sio.on("connect", self._connected)
        self._sio.on("disconnect", self._disconnected)
        self._sio.on("*", self._event)

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect, once. Raises Failure where the server refuses.

        Raises socketio.exceptions.ConnectionError where it can't be reached.
        """
        try:
            await self._sio.connect(self._url, auth=self._auth, transports=self._transports)
        except socketio.exceptions.ConnectionError as e:
            refusal = e.args[0] if e.args else None
            if isinstance(refusal, dict) and isinstance(refusal.get("data"), dict):
                raise Failure(msgspec.convert(refusal["data"], Error)) from None
            raise
        await self._up.wait()

    async def close(self) -> None:
        """Close, for good."""
        await self._sio.shutdown()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def send(self, command: Command[R], timeout_s: float = 30.0) -> R:
        """Carry out a command exactly once, however often the connection drops meanwhile.

        A request_id is made where the command has none. What may be retried is retried with it.
        Raises Failure as the server answers; `timed_out` where no answer came in time: the
        outcome is not known, and sending the same command again finds it out.
        """
        if command.request_id is None:
            command = msgspec.structs.replace(command, request_id=uuid7())
        return await self._until_answered(command, timeout_s)

    async def ask(self, query: Query[R], timeout_s: float = 30.0) -> R:
        """Ask something. Raises Failure as the server answers, `timed_out` likewise."""
        return await self._until_answered(query, timeout_s)

    async def join(self, room: str) -> Joined:
        """Be in a room until `leave`, also after a reconnect. Raises Failure as the server does."""
        query = JoinRoom(room=room, since=self._rooms.get(room))
        return await self._until_answered(query, JOIN_S, self._remember)

    async def leave(self, room: str) -> None:
        """Leave a room."""
        self._rooms.pop(room, None)
        await self.ask(LeaveRoom(room=room))

    # ---- one message

    async def _until_answered(
        self,
        message: Command[R] | Query[R],
        timeout_s: float,
        at_once: Callable[[R], None] = lambda _: None,
    ) -> R:
        """`at_once` is called with the reply before anything that the server sent after it."""
        spec = spec_of(type(message))
        assert spec.reply is not None
        data = msgspec.to_builtins(message)
        pause = FIRST_PAUSE_S

        def convert(answer: dict[str, Any]) -> R | Error:
            if answer.get("ok") is not True:
                return msgspec.convert(answer["error"], Error)
            reply = cast(R, msgspec.convert(answer["data"], spec.reply))
            at_once(reply)
            return reply

        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    answer = await self._attempt(spec.name, data, convert)
                    if answer is not None and not isinstance(answer, Error):
                        return answer
                    if answer is not None:
                        if not MEANING[answer.code][1]:
                            raise Failure(answer)
                        pause = max(pause, (answer.retry_after_ms or 0) / 1000)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_S)
        except TimeoutError:
            text = f"no answer to {spec.name} in {timeout_s:g} s"
            raise Failure(Error(Code.TIMED_OUT, text)) from None

    async def _attempt(
        self, name: str, data: Any, convert: Callable[[dict[str, Any]], R | Error]
    ) -> R | Error | None:
        """The answer; None where the connection went away or stayed silent."""
        await self._up.wait()
        came: asyncio.Future[R | Error] = asyncio.get_running_loop().create_future()

        def answered(answer: dict[str, Any]) -> None:
            # Called while reading: what the server sent after it has not been looked at.
            if came.done():
                return  # too late, it is sent again
            try:
                came.set_result(convert(answer))
            except Exception as e:  # noqa: BLE001 - whatever it is, it is for whoever waits
                came.set_exception(e)

        try:
            await self._sio.emit(name, data, callback=answered)
            async with asyncio.timeout(ATTEMPT_S):
                return await came
        except (socketio.exceptions.SocketIOError, TimeoutError):
            return None

    # ---- what the connection tells

    async def _auth(self) -> dict[str, str]:
        if self._token is None:
            assert self._service_key is not None
            return {"service_key": self._service_key}
        return {"token": await self._token()}

    async def _connected(self) -> None:
        self._up.set()
        for room in self._rooms:
            task = asyncio.create_task(self._rejoin(room))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _disconnected(self, *_: object) -> None:
        self._up.clear()

    async def _rejoin(self, room: str) -> None:
        """Be in the room again. What keeps us out for now is tried again while we are connected."""
        while self._up.is_set() and room in self._rooms:
            try:
                await self.join(room)
                return
            except Failure as e:
                if e.error.code in (Code.NOT_FOUND, Code.FORBIDDEN):
                    self._rooms.pop(room, None)  # it is gone, or not for us any more

    def _remember(self, joined: Joined) -> None:
        before = self._rooms.get(joined.room)
        if joined.verdict is Verdict.GAP_FILLED and before is not None:
            # What was missed follows as ordinary events, and moves the number itself.
            self._rooms[joined.room] = before
        else:
            self._rooms[joined.room] = Since(joined.epoch, joined.seq)
        self._on_joined(joined)

    async def _event(self, name: str, data: Any = None, meta: Any = None) -> None:
        about = msgspec.convert(meta or {"room": "", "at": ""}, codec.Meta)
        if about.seq is not None and about.epoch is not None:
            known = self._rooms.get(about.room)
            if known is not None and known.epoch == about.epoch and about.seq <= known.seq:
                return
            if about.room in self._rooms:
                self._rooms[about.room] = Since(about.epoch, about.seq)
        spec = find(name)
        event: Message | None = None
        if spec is not None and spec.kind is Kind.EVENT:
            with contextlib.suppress(msgspec.ValidationError):  # a newer server says more
                converted = msgspec.convert(data, spec.type)
                assert isinstance(converted, Message)
                event = converted
        self._on_event(Received(name, event, data, about))
