"""A client that reconnects by itself and resumes its rooms."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, NamedTuple, Self, TypeVar, cast

import msgspec

from protocol import codec
from protocol.client.link import ConnectionLost, Link
from protocol.domains import load
from protocol.errors import Code, Error, Failure
from protocol.gateway import Closing, Evicted, Joined, JoinRoom, LeaveRoom, Since, Verdict
from protocol.ids import uuid7
from protocol.message import Command, Kind, Query, find, spec_of
from protocol.message import Event as Message

R = TypeVar("R", bound=msgspec.Struct)

load()  # so that the registry has every event of a server

ATTEMPT_S: Final = 5.0
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 2.0
JOIN_S: Final = 30.0

Token = Callable[[], Awaitable[str]]
"""Returns a valid access token. It is called at every connect."""


class Received(NamedTuple):
    """An event. `event` is None if this client does not know its name or its type."""

    name: str
    event: Message | None
    data: Any
    meta: codec.Meta


class Client:
    """The connection of one user to a Warroom server.

    `on_event` is called with every event, in order, and must return at once. `on_joined` is
    called with the verdict of every join, also of those after a reconnect, and before the events
    that follow it. `on_gone` is called where a room can't be joined again: with its name, and why.
    `on_refused` is called where the server does not let us in again, such as after a service key
    was revoked: with its words, at every try, until `close`.
    """

    def __init__(
        self,
        url: str,
        token: Token | None = None,
        *,
        service_key: str | None = None,
        on_event: Callable[[Received], None] | None = None,
        on_joined: Callable[[Joined], None] | None = None,
        on_gone: Callable[[str, Error], None] | None = None,
        on_refused: Callable[[Error], None] | None = None,
        transports: tuple[str, ...] = ("websocket",),
    ) -> None:
        if (token is None) == (service_key is None):
            raise ValueError("token or service_key is required")
        self._url = url
        self._token = token
        self._service_key = service_key
        self._on_event = on_event or (lambda _: None)
        self._on_joined = on_joined or (lambda _: None)
        self._on_gone = on_gone or (lambda _, __: None)
        self._on_refused = on_refused or (lambda _: None)
        self._transports = list(transports)
        self._rooms: dict[str, Since | None] = {}  # None until the first verdict
        self._earlier: dict[str, Since] = {}  # the state of another client
        self._rejoining: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._up = asyncio.Event()
        self._link: Link | None = None
        self._not_before = 0.0
        self._unwelcome = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect, and stay connected. Raises Failure if the server rejects the handshake.

        Raises ConnectionError if the server can't be reached, and the errors of the token function.
        """
        await self._open()
        self._spawn(self._stay())

    async def close(self) -> None:
        """Close permanently."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._up.clear()
        if self._link is not None:
            await self._link.close()

    async def send(self, command: Command[R], timeout_s: float = 30.0) -> R:
        """Execute a command exactly once, also if the connection drops meanwhile.

        The client adds a request_id if the command has none, and retries with it. Raises Failure
        for an error reply. After `timed_out` the outcome is unknown: sending the same command
        again reveals it.
        """
        if command.request_id is None:
            command = msgspec.structs.replace(command, request_id=uuid7())
        return await self._until_answered(lambda: command, timeout_s)

    async def ask(self, query: Query[R], timeout_s: float = 30.0) -> R:
        """Send a query. Raises Failure for an error reply, and `timed_out` like `send`."""
        return await self._until_answered(lambda: query, timeout_s)

    async def join(self, room: str, since: Since | None = None) -> Joined:
        """Stay in a room until `leave`, also after a reconnect. Raises Failure for an error reply.

        `since`: resume from the state of another client.
        """
        self._rooms.setdefault(room, None)
        if since is not None:
            self._earlier[room] = since
        try:
            return await self._join(room)
        finally:
            self._earlier.pop(room, None)
            if self._rooms.get(room) is None:
                self._rooms.pop(room, None)

    async def leave(self, room: str) -> None:
        """Leave a room. Its events end."""
        self._rooms.pop(room, None)
        await self.ask(LeaveRoom(room=room))

    # ---- one message

    async def _until_answered(
        self,
        message: Callable[[], Command[R] | Query[R]],
        timeout_s: float,
        at_once: Callable[[R], None] = lambda _: None,
    ) -> R:
        """`at_once` is called with the reply before anything that the server sent after it."""
        spec = spec_of(type(message()))
        assert spec.reply is not None
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
                    await self._up.wait()
                    assert self._link is not None
                    answer: R | Error | None = None  # None: no reply
                    try:
                        async with asyncio.timeout(ATTEMPT_S):
                            data = msgspec.to_builtins(message())
                            answer = await self._link.call(spec.name, data, convert)
                    except ConnectionLost:
                        await asyncio.sleep(0)  # the task that keeps the connection notices it too
                        continue
                    except TimeoutError:
                        pause = FIRST_PAUSE_S  # it was long enough
                    if isinstance(answer, Error):
                        if not answer.code.retry:
                            raise Failure(answer)
                        pause = max(pause, (answer.retry_after_ms or 0) / 1000)
                    elif answer is not None:
                        return answer
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, LONGEST_PAUSE_S)
        except TimeoutError:
            text = f"no reply to {spec.name} within {timeout_s:g} s"
            raise Failure(Error(Code.TIMED_OUT, text)) from None

    # ---- staying connected

    async def _open(self) -> None:
        """Connect once."""
        if self._token is not None:
            auth = {"token": await self._token()}
        else:
            assert self._service_key is not None
            auth = {"service_key": self._service_key}
        link = Link(self._heard)
        await link.open(self._url, auth, self._transports)
        self._link, self._unwelcome = link, False
        self._up.set()
        for room, since in self._rooms.items():
            if since is not None:  # else its first join is under way
                self._rejoin(room, anew=True)

    async def _stay(self) -> None:
        """Reconnect whenever the connection ends, with growing pauses."""
        pause = FIRST_PAUSE_S
        while True:
            assert self._link is not None
            await self._link.ended()
            self._up.clear()
            await self._link.drop()
            if not self._unwelcome:
                pause = FIRST_PAUSE_S
            while not self._up.is_set():
                some = pause * (0.5 + secrets.randbelow(1000) / 1000)
                await asyncio.sleep(max(some, self._not_before - _now()))
                pause = min(pause * 2, LONGEST_PAUSE_S)
                # Rejected, unreachable, or no token: any of these may be temporary.
                with contextlib.suppress(Exception):
                    await self._open_again()

    async def _open_again(self) -> None:
        try:
            await self._open()
        except Failure as e:
            if not e.error.code.retry:
                self._on_refused(e.error)
            raise

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # ---- rooms

    async def _join(self, room: str) -> Joined:
        def query() -> JoinRoom:
            return JoinRoom(room=room, since=self._rooms.get(room) or self._earlier.get(room))

        return await self._until_answered(query, JOIN_S, self._remember)

    def _rejoin(self, room: str, *, anew: bool) -> None:
        """Resume a room. `anew`: a pending join belongs to a closed connection."""
        under_way = self._rejoining.get(room)
        if under_way is not None and not under_way.done():
            if not anew:
                return
            under_way.cancel()
        self._rejoining[room] = self._spawn(self._go_on(room))

    async def _go_on(self, room: str) -> None:
        """Join the room again. Temporary errors are retried."""
        while room in self._rooms:
            try:
                await self._join(room)
                return
            except Failure as e:
                if not e.error.code.retry:
                    self._rooms.pop(room, None)
                    self._on_gone(room, e.error)

    def _remember(self, joined: Joined) -> None:
        if joined.room not in self._rooms:
            return  # it was left meanwhile
        # The missed events follow as ordinary events, and each of them advances the number.
        told = joined.missed if joined.verdict is Verdict.GAP_FILLED else 0
        self._rooms[joined.room] = Since(joined.epoch, joined.seq - told)
        self._on_joined(joined)

    # ---- what the connection tells

    def _heard(self, name: str, data: Any, meta: Any) -> None:
        about = msgspec.convert(meta or {"room": "", "at": ""}, codec.Meta)
        if about.room and not self._is_new(about):
            return
        spec = find(name)
        event: Message | None = None
        if spec is not None and spec.kind is Kind.EVENT:
            with contextlib.suppress(msgspec.ValidationError):  # a newer server says more
                converted = msgspec.convert(data, spec.type)
                assert isinstance(converted, Message)
                event = converted
        if isinstance(event, Closing):
            self._not_before = _now() + event.retry_after_ms / 1000
        self._unwelcome = self._unwelcome or isinstance(event, Evicted)
        self._on_event(Received(name, event, data, about))

    def _is_new(self, about: codec.Meta) -> bool:
        """Whether an event of a room is the next one. A gap causes a new join."""
        known = self._rooms.get(about.room)
        if known is None:
            return False  # left, or the verdict of its join is not here yet
        if about.seq is None or about.epoch is None:
            return True
        if about.epoch == known.epoch and about.seq <= known.seq:
            return False
        if about.epoch != known.epoch or about.seq != known.seq + 1:
            self._rejoin(about.room, anew=False)
            return False
        self._rooms[about.room] = Since(about.epoch, about.seq)
        return True


def _now() -> float:
    return asyncio.get_running_loop().time()
