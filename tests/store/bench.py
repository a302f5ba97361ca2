"""A real database in a file, and what was published from it."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from protocol.battle_events import Listed, RewardClaimed
from protocol.battles import BattleSummary, Difficulty, Status, listing_room
from server.database import Database, Request, Statement, Unavailable, Work, connect, migrate
from server.database.sqlite import SqliteEngine
from server.database.url import sqlite_path
from server.database.work import OutgoingEvent
from server.database.writer import Outcome
from server.runtime.clock import Clock, SystemClock
from server.runtime.metrics import Metrics

AT = "2026-11-23T01:39:02.123Z"
BATTLE = "01a20622-9de7-7967-8b71-288684b33bd5"
LISTING = listing_room(BATTLE)

PUT = Statement("test.put", "insert into facts (name, value) values (:name, :value)")
SET = Statement("test.set", "update facts set value = :value where name = :name and value = :was")
GET = Statement("test.get", "select value from facts where name = :name")
ALL = Statement(
    "test.all",
    "select name, value from facts where name <> 'epoch' and name not like 'warroom writer %'"
    " order by name",
)
SEQS = Statement("test.seqs", "select seq, data from room_events where room = :room order by seq")


class Bench:
    """A database with the events that it published."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.published: list[tuple[OutgoingEvent, int | None]] = []
        self.on_publish: Callable[[], None] = lambda: None
        self.db: Database

    async def open(
        self, readers: int = 2, recycle_s: float = 0, clock: Clock | None = None
    ) -> "Bench":
        """Migrate and open."""
        await asyncio.to_thread(migrate, self.url)
        self.db = await connect(
            self.url,
            readers=readers,
            recycle_s=recycle_s,
            publish=self._publish,
            metrics=Metrics(),
            clock=clock or SystemClock(),
        )
        return self

    def _publish(self, event: OutgoingEvent, seq: int | None) -> None:
        self.on_publish()
        self.published.append((event, seq))

    def submit(
        self, work: Work, request: Request | None = None, reply: bytes = b"{}"
    ) -> "asyncio.Future[None]":
        """Queue a unit."""
        return self.db.writer.submit(work, reply, request)

    def outsider(self) -> sqlite3.Connection:
        """A connection of another process to a SQLite database."""
        return sqlite3.connect(sqlite_path(self.url), isolation_level=None, timeout=0)

    async def facts(self) -> dict[str, str]:
        """What the units wrote."""
        return {str(name): str(value) for name, value in await self.db.reader.all(ALL)}

    async def seqs(self, room: str) -> list[int]:
        """The numbers in a room's history."""
        return [row[0] for row in await self.db.reader.all(SEQS, room=room)]


class HeldEngine:
    """The real engine, whose batches wait until they are let go."""

    def __init__(self, db: Database) -> None:
        writer: Any = db.writer
        self._engine, writer._engine = writer._engine, self
        self.batches: list[int] = []
        self.entered = asyncio.Event()
        self.go = asyncio.Event()

    async def commit(self, units: Sequence[Work]) -> list[Outcome]:
        """Wait, then commit for real."""
        self.batches.append(len(units))
        self.entered.set()
        await self.go.wait()
        outcomes: list[Outcome] = await self._engine.commit(units)
        return outcomes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def close(self) -> None:
        """Close the real one."""
        await self._engine.close()


class HeldCommit:
    """Holds the real COMMIT of a batch whose statements were carried out."""

    def __init__(self, bench: Bench) -> None:
        engine: Any = bench.db.writer._engine
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self._connection = engine._connection
        self._go = asyncio.Event()
        engine._connection = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def commit(self) -> None:
        """SQLite's, called in the commit thread: wait until let go."""
        self._loop.call_soon_threadsafe(self.reached.set)
        asyncio.run_coroutine_threadsafe(self._go.wait(), self._loop).result()
        self._connection.commit()

    def execute(self, text: str, *given: Any, **options: Any) -> Any:
        """SQLite's, which passes, and PostgreSQL's."""
        if text != "commit":
            return self._connection.execute(text, *given, **options)
        return self._wait_and_commit(**options)

    async def _wait_and_commit(self, **options: Any) -> Any:
        self.reached.set()
        await self._go.wait()
        return await self._connection.execute("commit", **options)

    def let_go(self) -> None:
        """Commit now and ever after."""
        self._go.set()


class NoCommit:
    """Meanwhile the database refuses to commit, though every statement goes well."""

    def __init__(self, bench: Bench) -> None:
        self._engine: Any = bench.db.writer._engine
        self._connection = self._engine._connection

    def __enter__(self) -> None:
        if isinstance(self._engine, SqliteEngine):
            self._connection.execute("pragma query_only = 1")
        else:
            self._engine._connection = self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._engine, SqliteEngine):
            self._connection.execute("pragma query_only = 0")
        else:
            self._engine._connection = self._connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, text: str, **options: Any) -> Any:
        """PostgreSQL's: what is due at COMMIT fails."""
        if text == "commit":
            await self._connection.execute(
                "create temporary table twice (n int primary key"
                " deferrable initially deferred) on commit drop"
            )
            await self._connection.execute("insert into twice values (1), (1)")
        return await self._connection.execute(text, **options)


class Said:
    """Takes the place of a log, and remembers the events."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Any:
        return lambda event, **fields: self.lines.append((level, event, fields))


def put(name: str, value: str = "1") -> Work:
    """A unit that adds a fact."""
    work = Work(AT)
    work.change(PUT, name=name, value=value)
    return work


def move(name: str, was: str, value: str) -> Work:
    """A unit that changes a fact, if it is as it was."""
    work = Work(AT)
    work.change(SET, name=name, was=was, value=value)
    return work


def listed(battle_id: str = BATTLE) -> Listed:
    """A kept event of a battle's line, which the writer numbers."""
    line = BattleSummary(
        battle_id=battle_id,
        name="Low Orchard",
        difficulty=Difficulty.EASY,
        required_level=1,
        players=1,
        max_players=10,
        wave=1,
        waves=1,
        status=Status.IN_PROGRESS,
        created_at=AT,
    )
    return Listed(battle=line)


def claimed(battle: str, gold: int = 1) -> RewardClaimed:
    """A kept event of a battle, whose number its decision gives."""
    return RewardClaimed(battle_id=battle, player_id="p", gold=gold, exp=1)


async def outcome(future: "asyncio.Future[None]") -> type[BaseException] | None:
    """The kind of error a unit ended with, None where it stands."""
    (result,) = await asyncio.gather(future, return_exceptions=True)
    return None if result is None else type(result)


__all__ = [
    "ALL",
    "AT",
    "GET",
    "LISTING",
    "PUT",
    "SET",
    "Bench",
    "HeldCommit",
    "HeldEngine",
    "NoCommit",
    "Request",
    "Said",
    "Unavailable",
    "claimed",
    "listed",
    "move",
    "outcome",
    "put",
]
