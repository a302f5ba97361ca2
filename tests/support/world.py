"""A server in this process with people who do, watch, come and go as a plan says.

Whoever watches keeps rooms as a client does, and every state that anybody had, or was given as a
snapshot, must be the one that everybody else has at the same number.
"""

import asyncio
import json
import shutil
import sqlite3
import threading
from contextlib import AsyncExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from protocol.battles import Difficulty, battle_room, listing_room
from protocol.errors import Code, Failure
from protocol.gateway import JoinRoom
from protocol.message import Event
from protocol.permissions import Permission, Role, granted
from protocol.players import player_room
from protocol.rooms import KINDS
from protocol.users import user_room
from server.app import App, opened
from server.auth import Auth
from server.battles import Battles, BattleService
from server.config import Settings
from server.database import Unavailable
from server.gateway import Identity, Snapshot
from server.gateway.rooms import RoomProvider
from server.players import Players
from server.players.service import StaminaPush
from tests.contracts import ROOMS, TICKS
from tests.support.clock import ManualClock
from tests.support.ear import Ear
from tests.support.folds import State, Told, fold_of, lasting

PEOPLE = ("ada", "ben", "cyd")
CONNECTIONS = 2 * len(PEOPLE)
SUBJECTS = ("dee", "eve")
"""People who do nothing: things are done to them."""
BOSS = CONNECTIONS
"""The place of whoever administers, among those who watch."""
EMPTY: dict[str, State] = {
    word: kind.before for word, kind in ROOMS.items() if kind.before is not None
}
"""What a room is before its first event, where that is told."""


SINGLE: list[str] = [
    word for word, kind in ROOMS.items() if kind.fold is not None and not KINDS[word].keyed
]
"""The rooms with kept events that there is one of."""


COMMIT_S = 0.002

NEWEST = 10**9
"""The number of a change of rights that no other comes after."""
GONE: tuple[int, State] = (0, {})
"""What a room is whose subject is no more."""

REASONS = {"ahead": "ahead", "epoch": "epoch_changed"}
"""Why a join that goes on from there must be reset."""


class Disk:
    """The writer's connection, whose COMMIT takes as long as a disk does, and may fail."""

    def __init__(self, app: App) -> None:
        engine: Any = app.database.writer._engine
        self.fails = False
        self._connection = engine._connection
        engine._connection = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """Called in the thread of commits."""
        threading.Event().wait(COMMIT_S)
        if self.fails:
            raise sqlite3.OperationalError("disk I/O error")
        self._connection.commit()


class SlowProvider:
    """The provider of a kind of room, which may take longer than a commit."""

    def __init__(self, world: "World", provider: RoomProvider) -> None:
        self._world = world
        self._provider = provider

    async def authorise(self, identity: Identity, ident: str) -> None:
        """As it is."""
        await self._provider.authorise(identity, ident)

    async def snapshot(self, ident: str) -> Snapshot:
        """As it is when it is asked."""
        snapshot = await self._provider.snapshot(ident)
        await self._wait()
        return snapshot

    async def latest(self, ident: str) -> list[Event]:
        """As it is when it is asked."""
        await self._wait()
        return await self._provider.latest(ident)

    async def _wait(self) -> None:
        if self._world.slow:
            await asyncio.sleep(2 * COMMIT_S)


class Log(NamedTuple):
    """A room as one client had it: where it began, what it was told, where that led."""

    room: str
    first: State
    told: list[Told]
    last: State


class Kept:
    """A room as a client keeps it."""

    def __init__(self, world: "World", room: str) -> None:
        self.room = room
        self.epoch: str | None = None
        self.seq = 0
        self.state: State = {}
        self.first: State = {}
        self.log: list[Told] = []
        self._sent = 0  # the last number that came over this connection since it joined
        self._world = world

    def begin(self, epoch: str, seq: int, state: State) -> None:
        """Take a snapshot."""
        self.end()
        self.epoch, self.seq, self.state, self.first, self.log = epoch, seq, state, state, []

    def end(self) -> None:
        """Hand over what it was."""
        if self.log:
            self._world.logs.append(Log(self.room, self.first, self.log, self.state))

    def joined(self, verdict: dict[str, Any]) -> None:
        """The answer to a join."""
        self._sent = verdict["seq"] - verdict.get("missed", 0)
        if verdict["verdict"] in ("joined", "reset"):
            self.begin(verdict["epoch"], verdict["seq"], verdict["snapshot"])
            self._world.claim(self.room, self.seq, self.state)
        else:
            # What was on its way when it asked is told again, and dropped here.
            assert verdict["epoch"] == self.epoch
            assert self._sent <= self.seq

    def told(self, told: Told) -> None:
        """An event."""
        seq = told.meta.get("seq")
        if seq is not None:
            assert told.meta["epoch"] == self.epoch
            assert seq == self._sent + 1, f"{self.room}: {seq} after {self._sent}"
            self._sent = seq
            if seq <= self.seq:
                return
            assert seq == self.seq + 1
            self.seq = seq
        self.log.append(told)
        self.state = fold_of(self.room)(self.state, told.name, told.data)
        if seq is not None:
            self._world.names.add(told.name)
            self._world.claim(self.room, seq, self.state)


class Watcher:
    """A client: it comes and goes, and keeps what it knows of rooms."""

    def __init__(self, world: "World", person: str, role: Role = Role.PLAYER) -> None:
        self.person = person
        self._role = role
        self.ear: Ear | None = None
        self.kept: dict[str, Kept] = {}
        self._world = world
        self._read = 0

    async def come(self) -> Ear:
        """Connect, if it is not connected."""
        if self.ear is None:
            identity = Identity(
                id=self.person,
                name="somebody",
                permissions=granted(self._role),
                role=self._role,
                session=self._world.log_ins[self.person],
                rights=NEWEST,
            )
            ear = self.ear = Ear(self._world.app, identity)
            self._read = 0
            await ear.open()
        return self.ear or await self.come()

    async def go(self) -> None:
        """Be found gone. What was not looked at is lost."""
        ear, self.ear = self.ear, None
        if ear is not None:
            await ear.gone()

    async def join(self, room: str, since: str) -> None:
        """Join a room, or go on in it. `since` says from where."""
        kept = self.kept.setdefault(room, Kept(self._world, room))
        epoch = self._world.epoch
        kind = room.partition(":")[0]
        if since == "nothing" and kept.epoch is None and kind in EMPTY:
            kept.begin(epoch, 0, EMPTY[kind])
        fields: dict[str, Any] = {}
        if kept.epoch is not None and since != "anew":
            seq = max(0, kept.seq + {"less": -3, "ahead": 10**6}.get(since, 0))
            other = "another" if since == "epoch" else epoch
            fields["since"] = {"epoch": other, "seq": seq}
        answer = await (await self.come()).ask("rooms.join", room=room, **fields)
        if fields and answer["ok"] and since in REASONS:
            assert answer["data"].get("reason") == REASONS[since]

    async def leave(self, room: str) -> None:
        """Leave a room; what was on its way is not looked at."""
        await (await self.come()).ask("rooms.leave", room=room)
        self.look()
        if (kept := self.kept.pop(room, None)) is not None:
            kept.end()

    def look(self) -> None:
        """Take in what was heard."""
        heard = self.ear.heard[self._read :] if self.ear is not None else []
        self._read += len(heard)
        for item in heard:
            if isinstance(item, Told):
                if (kept := self.kept.get(item.meta["room"])) is not None:
                    kept.told(item)
            elif item.name == "rooms.join" and item.answer["ok"]:
                self.kept[item.data["room"]].joined(item.answer["data"])


class World:
    """One run. Raises AssertionError where two know different things."""

    def __init__(self, template: Path, folder: Path) -> None:
        self.clock = ManualClock()
        self.names: set[str] = set()
        self.logs: list[Log] = []
        self.holes: list[str] = []
        self.slow = False
        self.epoch = ""
        self.battles: list[str] = []
        self.app: App
        self._claims: dict[tuple[str, int], State] = {}
        self._folder = folder
        self._lives = 0
        self._stack = AsyncExitStack()
        shutil.copytree(template, folder / "0")
        with closing(sqlite3.connect(template / "warroom.db")) as connection:
            ids = dict(connection.execute("select name, player_id from players"))
            self.log_ins = dict(connection.execute("select user_id, family from refresh_tokens"))
        self.people = [ids[name] for name in PEOPLE]
        self.subjects = [ids[name] for name in SUBJECTS]
        self.watchers = [Watcher(self, self.people[n % len(PEOPLE)]) for n in range(CONNECTIONS)]
        self.watchers.append(Watcher(self, ids["boss"], Role.ADMIN))

    async def open(self) -> None:
        """Start, or start again."""
        folder = self._folder / str(self._lives)
        settings = Settings(data_dir=folder, password_hash_cost=4, db_pool_size=2)
        self.app = await self._stack.enter_async_context(opened(settings, self.clock))
        await self.app.start()
        await self.app.service(BattleService).tick()  # the first look at what is open
        self.disk = Disk(self.app)
        self.epoch = self.app.database.epoch
        self.app.gateway.rooms._fill_later = self._hole
        providers = self.app.gateway.rooms._providers
        providers.update(
            {word: SlowProvider(self, provider) for word, provider in providers.items()}
        )
        self._stamina = StaminaPush(self.app.service(Players), self.app.gateway, self.clock)
        if not self.battles:  # the easy one first
            waiting = self.app.service(Battles).pool.waiting
            self.battles = sorted(waiting, key=lambda b: waiting[b].difficulty != Difficulty.EASY)

    async def close(self) -> None:
        """End."""
        await self._stack.aclose()

    async def restart(self, *, kill: bool) -> None:
        """End the server, well or by force, and start it on what is on disk by then."""
        before, after = (self._folder / str(self._lives + n) for n in range(2))
        if kill:
            # Now, and whatever is under way: what comes after this moment never was.
            shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-shm"))
        for watcher in self.watchers:
            watcher.ear = None
        self.disk.fails = False
        await self._stack.aclose()
        if not kill:
            shutil.copytree(before, after, ignore=shutil.ignore_patterns("*-shm"))
        self._lives += 1
        await self.open()

    def _hole(self, room: str, _: object) -> None:
        # Nothing is lost here, so the history that fills holes would only hide a fault.
        self.holes.append(room)

    async def pass_time(self, seconds: float) -> None:
        """Turn the clock, and let everything happen that happens by itself."""
        self.clock.advance(seconds)
        service = self.app.service(BattleService)
        ticks = [partial(tick, self.app) for tick in TICKS]
        battles = (service.tick, service.fill_pool, service.reconcile)
        for happen in (*battles, self._stamina.publish_changes, *ticks):
            with suppress(Unavailable):  # while commits fail: the next time is soon
                await happen()

    def claim(self, room: str, seq: int, state: State) -> None:
        """Somebody has this state at this number: so has everybody."""
        state = lasting(room, state)
        assert self._claims.setdefault((room, seq), state) == state, f"{room} at {seq}"

    def rooms(self) -> list[str]:
        """All rooms there are here."""
        own = [player_room(person) for person in self.people]
        own += [user_room(person) for person in self.subjects]
        of_battles = [*map(listing_room, self.battles), *map(battle_room, self.battles)]
        return [*of_battles, *own, *SINGLE]

    async def snapshots(self) -> dict[str, tuple[int, State]]:
        """What each room is to somebody who joins it now."""
        there = self.rooms()
        return dict(zip(there, await asyncio.gather(*map(self._snapshot, there)), strict=True))

    async def _snapshot(self, room: str) -> tuple[int, State]:
        ident = room.partition(":")[2]
        everything = frozenset(Permission)
        ear = Ear(self.app, Identity(ident, "somebody", everything, Role.ADMIN))
        try:
            reply = (await self.app.gateway.rooms.join(ear, JoinRoom(room=room))).reply
        except Failure as e:
            assert e.error.code is Code.NOT_FOUND
            assert room.startswith("user:"), room
            return GONE
        self.app.gateway.rooms.leave(ear, room)
        state = json.loads(bytes(reply.snapshot))
        self.claim(room, reply.seq, state)
        return reply.seq, state

    async def settle(self) -> None:
        """Let all that is under way end; everybody comes back, and knows what a new one does."""
        await self.app.gateway.dispatch.settle()
        self.disk.fails = False
        await self.pass_time(30)
        for watcher in self.watchers:
            for room in list(watcher.kept):
                watcher.look()
                await watcher.join(room, "known")
        await self._stamina.publish_changes()
        assert self.holes == []
        snapshots = await self.snapshots()
        for watcher in self.watchers:
            watcher.look()
            for room, kept in watcher.kept.items():
                if snapshots[room] == GONE:
                    kept.end()
                    continue
                seq, state = snapshots[room]
                assert kept.seq == seq
                assert lasting(room, kept.state) == lasting(room, state)
                if "stamina" in state:
                    assert growing(kept.state["stamina"]) == growing(state["stamina"])
                kept.end()


def growing(stamina: State) -> State:
    """Stamina at one moment. What is full is so at any moment: `at` says no more then."""
    return {key: value for key, value in stamina.items() if key != "at" or stamina["next_at"]}


async def make(folder: Path) -> None:
    """A data folder with people who can do everything: strong, rich, of a high level."""
    async with opened(Settings(data_dir=folder, password_hash_cost=4), ManualClock()) as app:
        for name in (*PEOPLE, *SUBJECTS):
            await app.service(Auth).add(name, "correct horse", Role.PLAYER)
        await app.service(Auth).add("boss", "correct horse", Role.ADMIN)
    with closing(sqlite3.connect(folder / "warroom.db")) as connection:
        connection.execute(
            "update players set level = 20, exp = 8000, gems = 500, stat_points = 20,"
            " attack = 300, max_stamina = 500, stamina = 500"
        )
        connection.execute(
            "insert into ledger (id, player_id, at, currency, amount, balance_after, why)"
            " select 'gems of ' || player_id, player_id, 0, 'gems', gems, gems, 'given'"
            " from players"
        )
        connection.commit()
        connection.execute("pragma wal_checkpoint(truncate)")
