"""What is taken in and what is not: while the server closes, and beyond what may wait."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.store.bench import HeldEngine
from tests.support.processes import Process, listening
from tests.support.wire import Transport, Wire

WAYS: tuple[Transport, ...] = ("websocket", "polling", "plain")
MAY_WAIT = 256
"""Source: PROTOCOL.md, messages that wait for their reply, a connection."""


class Held:
    """A server over sockets, whose commits wait, and a player who has two connections."""

    def __init__(self, here: Process, url: str, way: Transport, token: str) -> None:
        self.app = here.app
        self.url = url
        self.way = way
        self.token = token
        self.engine = HeldEngine(here.app.database)
        self.people: list[Wire] = []

    async def connect(self) -> Wire:
        """One more connection of the player."""
        opened = await Wire.connect(self.url, self.way, token=self.token)
        self.people.append(opened)
        return opened

    async def join(self, person: Wire) -> "asyncio.Future[dict[str, Any]]":
        """A command of which the commit waits."""
        offered = await person.call("battles.list", status="waiting")
        easy = (b for b in offered["data"]["items"] if b["required_level"] == 1)
        joined = person.ask("battles.join", battle_id=next(easy)["battle_id"])
        await self.engine.entered.wait()
        return joined


@pytest.fixture(params=WAYS)
async def held(request: pytest.FixtureRequest, here: Process) -> AsyncIterator[Held]:
    """Each kind of connection."""
    await here.app.start()
    token = (await here.person("alice")).tokens.access_token
    async with listening(here.app) as url:
        made = Held(here, url, request.param, token)
        yield made
        made.engine.go.set()
        for person in made.people:
            await person.close()


async def test_a_server_that_closes_takes_nothing_and_nobody_in(held: Held) -> None:
    busy, idle = await held.connect(), await held.connect()
    coming = await Wire.open(held.url, held.way)
    joined = await held.join(busy)
    draining = asyncio.create_task(held.app.drain())
    for person in (busy, idle):
        await person.until(lambda person=person: person.named("server.closing"))
    asked = [
        person.ask(name, **fields)
        for person in (busy, idle)
        for name, fields in (
            ("players.get", {}),
            ("battles.chat", {"battle_id": "b", "text": "late"}),
            ("rooms.join", {"room": "battles"}),
            ("no.command", {}),
        )
    ]
    async with asyncio.timeout(10):
        late = await asyncio.gather(*asked)
    assert [answer["error"]["code"] for answer in late] == ["unavailable"] * len(late)
    refused = await coming.log_in({"token": held.token})
    assert refused["error"]["code"] == "unavailable"
    assert not joined.done()
    held.engine.go.set()
    assert (await joined)["ok"], "what was taken in before is answered"
    await draining
    await coming.drop()


async def test_so_many_messages_wait_and_no_more(held: Held) -> None:
    person, other = await held.connect(), await held.connect()
    joined = await held.join(person)
    behind = [person.ask("rooms.leave", room=f"battle:{n}") for n in range(MAY_WAIT)]
    async with asyncio.timeout(10):
        refused = await asyncio.gather(*(person.ask("players.get") for _ in range(3)))
    assert [answer["error"]["code"] for answer in refused] == ["busy"] * 3
    assert not any(answer.done() for answer in (joined, *behind))
    assert (await other.call("players.get"))["ok"], "what waits is counted by connection"
    held.engine.go.set()
    # Of so many at once the last are refused for their rate, and then the connection ends.
    answers = await asyncio.gather(joined, *behind, return_exceptions=True)
    codes = {a["error"]["code"] for a in answers if isinstance(a, dict) and not a["ok"]}
    assert codes <= {"rate_limited"}, "all these were taken in"
