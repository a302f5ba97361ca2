"""Clients that follow rooms through every drop: as one reads PROTOCOL.md, without a library."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from protocol.auth import LoggedIn
from protocol.ids import uuid7
from tests.support.dialects import Reply
from tests.support.folds import State, Told, fold_of
from tests.support.wire import NotLetIn, Transport, Wire

HANDSHAKE_S = 5
PAUSE_S = 0.02
WITHIN_S = 30


class Followed:
    """A room as a client keeps it that can be cut off at any moment.

    `applied` are the numbers of the events that were applied to `first`, the snapshot of the last
    join that gave one, and gave `state`; `states` are all that it was, by number. `faults` says
    where something was missed or doubled. Times are the loop's.
    """

    def __init__(self, room: str) -> None:
        self.room = room
        self.epoch: str | None = None
        self.seq = 0
        self.first: State = {}
        self.first_seq = 0
        self.state: State = {}
        self.states: dict[int, State] = {}
        self.applied: list[int] = []
        self.log: list[Told] = []
        self.verdicts: list[dict[str, Any]] = []
        self.at: dict[int, float] = {}
        self.faults: list[str] = []
        self._changed = asyncio.Event()

    @property
    def since(self) -> dict[str, Any] | None:
        """What to give to the next join."""
        return None if self.epoch is None else {"epoch": self.epoch, "seq": self.seq}

    def joined(self, verdict: dict[str, Any]) -> None:
        """The answer to a join."""
        self.verdicts.append(verdict)
        self._changed.set()
        if verdict["verdict"] in ("joined", "reset"):
            self.epoch, self.seq = verdict["epoch"], verdict["seq"]
            self.state = self.first = verdict["snapshot"]
            self.first_seq = self.seq
            self.applied, self.log, self.states = [], [], {self.seq: self.state}
        elif (verdict["epoch"], verdict["seq"] - verdict.get("missed", 0)) != (
            self.epoch,
            self.seq,  # and not later: the verdict comes before what was missed
        ):
            self.faults.append(f"{verdict} at {self.seq}")

    def told(self, told: Told) -> None:
        """An event of the room."""
        seq = told.meta.get("seq")
        if seq is not None:
            if told.meta["epoch"] != self.epoch or seq != self.seq + 1:
                self.faults.append(f"{told.meta} after {self.seq}")
                return
            self.seq = seq
            self.applied.append(seq)
            self.at[seq] = asyncio.get_running_loop().time()
        self.log.append(told)
        self.state = fold_of(self.room)(self.state, told.name, told.data)
        self.states[self.seq] = self.state
        self._changed.set()

    def reached(self, seq: int) -> Callable[[], bool]:
        """Whether it has come so far."""
        return lambda: self.seq >= seq

    async def until(self, seen: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something is seen in this room."""
        async with asyncio.timeout(within_s):
            while not seen():
                self._changed.clear()
                await self._changed.wait()

    async def until_told(self, verdicts: int) -> dict[str, Any]:
        """Wait for so many verdicts, and for all that the last of them takes in. Returns it."""
        await self.until(lambda: len(self.verdicts) >= verdicts)
        verdict = self.verdicts[verdicts - 1]
        await self.until(self.reached(verdict["seq"]))
        return verdict

    def check(self) -> None:
        """Nothing was missed and nothing doubled."""
        assert self.faults == []
        assert self.applied == list(range(self.first_seq + 1, self.seq + 1))


class _Asked:
    def __init__(self, name: str, data: dict[str, Any]) -> None:
        self.name = name
        self.data = data
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()


class Follower:
    """A person who is in rooms, and connects again whenever the connection breaks."""

    def __init__(
        self, url: str, logged_in: LoggedIn, *rooms: str, transport: Transport = "websocket"
    ) -> None:
        self.url = url
        self.id = logged_in.user.id
        self.rooms = {room: Followed(room) for room in rooms}
        self._token = logged_in.tokens.access_token
        self._transport: Transport = transport
        self._asked: dict[str, _Asked] = {}
        self._changed = asyncio.Event()
        self._wire: Wire | None = None
        self._acks: dict[str, str] = {}

    async def run(self) -> None:
        """Connect, and again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(HANDSHAKE_S):
                    wire = await Wire.connect(self.url, self._transport, token=self._token)
            except NotLetIn as e:
                if e.error["code"] != "unavailable":
                    raise
            except (ConnectionError, TimeoutError):
                pass  # again, in a moment
            else:
                await self._live(wire)
            await asyncio.sleep(PAUSE_S)

    async def _live(self, wire: Wire) -> None:
        """Say and hear what there is, to the end of the connection."""
        self._wire, self._acks = wire, {}
        for room in self.rooms:
            self._join(room)
        for request_id in self._asked:
            self._send(request_id)
        try:
            while True:
                self._take(await wire.next())
                self._changed.set()
        except ConnectionError:
            self._wire = None
        finally:
            await wire.drop()

    def _take(self, heard: Told | Reply) -> None:
        if isinstance(heard, Reply):
            self._answered(self._acks.pop(heard.ack), heard.reply)
        elif (followed := self.rooms.get(heard.meta["room"])) is not None:
            followed.told(heard)

    def _answered(self, key: str, answer: dict[str, Any]) -> None:
        """`key` is a room that was joined, or the id of a request."""
        if not answer["ok"] and (pause := answer["error"].get("retry_after_ms")) is not None:
            wire = self._wire
            asyncio.get_running_loop().call_later(pause / 1000, self._again, key, wire)
        elif key in self.rooms:
            assert answer["ok"], answer
            self.rooms[key].joined(answer["data"])
        elif (asked := self._asked.pop(key, None)) is not None and not asked.answer.cancelled():
            asked.answer.set_result(answer)

    def _again(self, key: str, wire: Wire | None) -> None:
        """Send what was too much at once, unless a new connection has done so already."""
        if wire is self._wire and key in self.rooms:
            self._join(key)
        elif wire is self._wire:
            self._send(key)

    def _join(self, room: str) -> None:
        since = self.rooms[room].since
        self._emit(room, "rooms.join", {"room": room} | ({"since": since} if since else {}))

    def _send(self, request_id: str) -> None:
        if (asked := self._asked.get(request_id)) is not None:
            self._emit(request_id, asked.name, asked.data)

    def _emit(self, key: str, name: str, data: dict[str, Any]) -> None:
        if self._wire is not None and self._wire.is_open:
            self._acks[self._wire.request(name, data)] = key

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Carry out a command once, however often it takes. Returns the answer."""
        request_id = fields.setdefault("request_id", uuid7())
        asked = self._asked[request_id] = _Asked(name, fields)
        self._send(request_id)
        return await asked.answer

    async def until(self, seen: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait until something is seen."""
        async with asyncio.timeout(within_s):
            while not seen():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def following(follower: Follower) -> AsyncIterator[Follower]:
    """A follower that has joined its rooms, and goes on."""
    running = asyncio.create_task(follower.run())
    try:
        await follower.until(lambda: all(room.verdicts for room in follower.rooms.values()))
        yield follower
        assert not running.done(), running.result()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
