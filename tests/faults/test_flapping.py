"""Cut off every 200 ms while much happens: nothing is missed, nothing is doubled."""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from shutil import which
from typing import Any

import pytest

from protocol.auth import LoggedIn
from protocol.ids import uuid7
from tests.support.battles import easy_battle
from tests.support.client_follower import ClientFollower
from tests.support.crowd import Crowd
from tests.support.cutter import cut_up
from tests.support.folds import State, lasting
from tests.support.follower import Follower, following
from tests.support.people import Person, connected, registered
from tests.support.programs import need
from tests.support.relay import Relay
from tests.support.server import ROOT, Server
from tests.support.wire import Transport

FOLLOWERS: dict[int, Transport] = {0: "websocket", 1: "polling", 6: "plain"}
"""By the place among all who are cut off: between them are clients and pages."""
FOR_S = 20
QUIET_WITHIN_S = 20
LINES = 8
PACE_S = 0.1
POINTS = 1000

Answers = dict[str, tuple[str, dict[str, Any]]]
"""By request_id: the name of a command, and its answer."""


class Page:
    """The page's own connection, in Node."""

    def __init__(self, process: asyncio.subprocess.Process, logged_in: LoggedIn) -> None:
        self.id = logged_in.user.id
        self._process = process
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._rooms: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            told = json.loads(line)
            if "rooms" in told:
                self._rooms.set_result(told["rooms"])
            elif "failure" in told:
                self._asked[told["asked"]].set_result({"ok": False, "error": told["failure"]})
            else:
                self._asked[told["asked"]].set_result({"ok": True, "data": told["answer"]})
        for waits in (*self._asked.values(), self._rooms):
            if not waits.done():
                waits.set_exception(EOFError("the page has ended"))
                waits.exception()  # it is raised where somebody waits for it

    def _write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())

    async def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """Carry out a command once, however often it takes. Returns the answer."""
        request_id = fields.setdefault("request_id", uuid7())
        answer = self._asked[request_id] = asyncio.get_running_loop().create_future()
        self._write(json.dumps({"name": name, "data": fields}))
        return await answer

    async def rooms(self) -> dict[str, Any]:
        """End it. What became of each room."""
        self._write("")
        async with asyncio.timeout(QUIET_WITHIN_S):
            rooms: dict[str, Any] = await self._rooms
            await self._process.wait()
        await self._reading
        return rooms


@asynccontextmanager
async def page(url: str, logged_in: LoggedIn, transport: str, *rooms: str) -> AsyncIterator[Page]:
    """The page's own connection, that is in these rooms."""
    token = logged_in.tokens.access_token
    process = await asyncio.create_subprocess_exec(
        *(need("node"), str(ROOT / "tests/browser/page.mjs"), url, token, transport, *rooms),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,
    )
    try:
        yield Page(process, logged_in)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Bustle:
    """What each does meanwhile: takes a seat and gives it up, spends a point, says a line."""

    def __init__(self, battle_id: str) -> None:
        self._battle_id = battle_id
        self.answers: Answers = {}
        self.stop = asyncio.Event()

    async def of(self, who: Follower | ClientFollower | Page) -> None:
        """Go on until told to stop, then end as one who has no seat."""
        said = 0
        while not self.stop.is_set():
            await self._do(who, "battles.join", battle_id=self._battle_id)
            await self._do(who, "players.allocate", attack=1)
            if said < LINES:
                said += 1
                await self._do(who, "battles.chat", battle_id=self._battle_id, text=uuid7())
            await self._do(who, "battles.leave", battle_id=self._battle_id)

    async def _do(self, who: Follower | ClientFollower | Page, name: str, **fields: Any) -> None:
        request_id = uuid7()
        answer = await who.command(name, request_id=request_id, **fields)
        assert answer["ok"], (name, answer)
        self.answers[request_id] = (name, {"who": who.id, **fields})


def assert_unbroken(applied: list[int], starts: list[int]) -> None:
    """Each number follows the one before it, or the snapshot of a join that said so.

    Whoever was out for too long is reset: that is said, and no silent gap.
    """
    ahead = list(starts)
    at = None
    for seq in applied:
        while at is None or seq != at + 1:
            assert ahead, f"{seq} came after {at}"
            assert at is None or ahead[0] >= at
            at = ahead.pop(0)
        at = seq


def rows(server: Server, query: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(server.data_dir / "warroom.db")) as connection:
        return connection.execute(query, values).fetchall()


def give_points(server: Server, *people: LoggedIn) -> None:
    """Something to spend: nobody has asked for these players yet."""
    with closing(sqlite3.connect(server.data_dir / "warroom.db", timeout=10)) as connection:
        for person in people:
            connection.execute(
                "update players set stat_points = ? where player_id = ?", (POINTS, person.user.id)
            )
        connection.commit()


async def fresh(server: Server, logged_in: LoggedIn, *rooms: str) -> dict[str, tuple[int, State]]:
    """What rooms are to somebody who joins them now."""
    person = await Person(server.url, logged_in).connect()
    try:
        verdicts = [await person.ok("rooms.join", room=room) for room in rooms]
        return {v["room"]: (v["seq"], v["snapshot"]) for v in verdicts}
    finally:
        await person.close()


def every_command_took_effect_once(server: Server, battle_id: str, answers: Answers) -> None:
    """By the history, and by what the players have left."""
    kept = Counter(
        request_id
        for (request_id,) in rows(
            server,
            "select request_id from room_events where request_id is not null"
            " union all select request_id from kept_replies",
        )
    )
    assert {request_id: kept[request_id] for request_id in answers} == dict.fromkeys(answers, 1)
    log = [
        (name, json.loads(data))
        for name, data in rows(
            server, "select name, data from room_events where room = ?", f"battle:{battle_id}"
        )
    ]
    said = Counter(data["line"]["text"] for name, data in log if name == "battles.chat_said")
    sat = Counter(
        data["seat"]["player_id"] for name, data in log if name == "battles.player_joined"
    )
    left = Counter(data["player_id"] for name, data in log if name == "battles.player_left")
    done = Counter((name, fields["who"]) for name, fields in answers.values())
    spent = dict(rows(server, "select player_id, ? - stat_points from players", POINTS))
    for name, fields in answers.values():
        who = fields["who"]
        if name == "battles.chat":
            assert said[fields["text"]] == 1
        assert sat[who] == done["battles.join", who]
        assert left[who] == done["battles.leave", who]
        assert spent[who] == done["players.allocate", who]


@pytest.mark.slow
@pytest.mark.node
async def test_nothing_is_missed_and_nothing_doubled(own_server: Server) -> None:
    server, moments = own_server, random.Random(7)
    alice = await connected(server.url)
    battle_id = await easy_battle(alice)
    await alice.close()
    bustle = Bustle(battle_id)
    people = [await registered(server.url) for _ in range(7)]
    give_points(server, *people)
    rooms = [(f"battle:{battle_id}", f"listing:{battle_id}", f"player:{p.user.id}") for p in people]
    async with AsyncExitStack() as stack:
        relays = [await stack.enter_async_context(Relay(server.port)) for _ in people]
        followers = [
            await stack.enter_async_context(
                following(Follower(relays[n].url, people[n], *rooms[n], transport=transport))
            )
            for n, transport in FOLLOWERS.items()
        ]
        clients = [
            await stack.enter_async_context(
                ClientFollower(relays[n].url, people[n], *rooms[n], transport=transport)
            )
            for n, transport in enumerate(("websocket", "polling"), 2)
        ]
        pages = [
            await stack.enter_async_context(page(relays[n].url, people[n], transport, *rooms[n]))
            for n, transport in enumerate(("websocket", "polling"), 4)
            if which("node")
        ]
        async with Crowd(server, battle_id, 3, PACE_S), asyncio.TaskGroup() as tasks:
            for who in (*followers, *clients, *pages):
                tasks.create_task(bustle.of(who))
            await asyncio.gather(
                *(cut_up(relay, random.Random(moments.random()), FOR_S) for relay in relays)
            )
            bustle.stop.set()
        # Now each catches up by itself, and is what a new one is.
        everybody = zip((*FOLLOWERS, 2, 3), (*followers, *clients), strict=True)
        for n, follower in everybody:
            states = await fresh(server, people[n], *rooms[n])
            assert states[f"battle:{battle_id}"][0] >= FOR_S * 10  # enough to miss some
            for room, (seq, state) in states.items():
                followed = follower.rooms[room]
                await follower.until(followed.reached(seq), QUIET_WITHIN_S)
                followed.check()
                assert lasting(room, followed.states[seq]) == lasting(room, state)
        for n, ended in enumerate(pages, 4):
            expected = await fresh(server, people[n], *rooms[n])
            for room, kept in (await ended.rooms()).items():
                seq = kept["applied"][-1]
                assert seq >= expected[room][0]
                assert kept["gone"] == []
                assert_unbroken(kept["applied"], kept["starts"])
                if room.startswith("player:"):
                    state = expected[room][1]
                else:  # which goes on: enemies strike still
                    await followers[0].until(followers[0].rooms[room].reached(seq))
                    state = followers[0].rooms[room].states[seq]
                assert lasting(room, kept["state"]) == lasting(room, state)
        verdicts = [len(f.rooms[f"listing:{battle_id}"].verdicts) for f in (*followers, *clients)]
        assert min(verdicts) > FOR_S // 4, verdicts  # who polls takes seconds on a busy machine
    every_command_took_effect_once(server, battle_id, bustle.answers)
    if not pages:
        need("node")
