"""An administrator who defends rights that are being taken away, over real sockets.

M sends the commands that undo it again and again, over several connections, while A, or the command
line, takes the rights away. `ROUNDS` may be raised for a longer look.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from protocol.auth import LoggedIn, Register
from protocol.client import register
from protocol.errors import Failure
from protocol.ids import uuid7
from tests.support.people import PASSWORD, Person
from tests.support.roles import Office, beside
from tests.support.server import Server

pytestmark = pytest.mark.pairwise

SOCKETS = 4
ROUNDS = 3
IN_FLIGHT = 3
CROWD = 20


@pytest.fixture
async def office(server: Server) -> AsyncIterator[Office]:
    """What the command line does, without a new process each time."""
    async with beside(server) as opened:
        yield opened


async def sockets(server: Server, who: LoggedIn) -> list[Person]:
    """Several connections of a user."""
    return [await Person(server.url, who).connect() for _ in range(SOCKETS)]


async def defend(person: Person, name: str, fields: dict[str, Any], started: asyncio.Event) -> int:
    """Send a command again and again until the server closes the connection."""
    tasks: set[asyncio.Task[Any]] = set()
    sent = 0
    closed = asyncio.create_task(person.until_closed())
    while not closed.done():
        while len(tasks) < IN_FLIGHT and person.is_open:
            # Another address each time, so that each is a change.
            more = {"email": f"{uuid7()}@example.org"} if name == "users.update" else {}
            tasks.add(asyncio.create_task(person.patiently(name, {**fields, **more})))
            sent += 1
        if sent > IN_FLIGHT:
            started.set()
        done, tasks = await asyncio.wait({*tasks, closed}, return_when=asyncio.FIRST_COMPLETED)
        tasks.discard(closed)
        for task in done - {closed}:
            with contextlib.suppress(Exception):
                await task
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await person.close()
    return sent


async def attacked(server: Server, office: Office, take: Any, name: str, role: str | None) -> None:
    """One round. Whatever M does meanwhile, the rights stay taken away."""
    who = await office.person("admin")
    fields = {"user_id": who.user.id} | ({"role": role} if role else {})
    people = await sockets(server, who)
    started = [asyncio.Event() for _ in people]
    defending = [
        asyncio.create_task(defend(person, name, fields, event))
        for person, event in zip(people, started, strict=True)
    ]
    async with asyncio.timeout(60):
        await asyncio.gather(*(event.wait() for event in started))
        await take(who)
        assert min(await asyncio.gather(*defending)) > IN_FLIGHT
    rows = await server.rows("select id, role, disabled from users")
    role_now, disabled = {row[0]: row[1:] for row in rows}[who.user.id]
    assert (role_now, bool(disabled)) in {("admin", True), ("player", False)}, "it was undone"


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize(("verb", "name"), [("disable", "users.enable"), ("role", "users.update")])
async def test_nobody_gives_back_to_themselves_what_an_admin_takes_away(
    server: Server, admin: Person, office: Office, verb: str, name: str
) -> None:
    async def take(who: LoggedIn) -> None:
        if verb == "disable":
            await admin.ok("users.disable", user_id=who.user.id)
        else:
            await admin.ok("users.update", user_id=who.user.id, role="player")

    for _ in range(ROUNDS):
        await attacked(server, office, take, name, "admin" if verb == "role" else None)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize(("verb", "name"), [("disable", "users.enable"), ("role", "users.update")])
async def test_nor_what_the_command_line_takes_away(
    server: Server, office: Office, verb: str, name: str
) -> None:
    async def take(who: LoggedIn) -> None:
        await server.command("user", verb, who.user.username, *(["player"] * (verb == "role")))

    await attacked(server, office, take, name, "admin" if verb == "role" else None)


async def test_nobody_is_left_behind_by_who_is_deleted(tmp_path: Path) -> None:
    """Their `users.create` waits for its password hash, behind those of a crowd that registers."""
    async with (
        Server(tmp_path, PASSWORD_HASH_COST="10") as slow,
        beside(slow) as hiring,
    ):
        boss = await Person(slow.url, await hiring.person("admin")).connect()
        who = await hiring.person("admin")
        person = await Person(slow.url, who).connect()

        async def come(number: int) -> None:
            with contextlib.suppress(Failure):  # busy, where that is the limit
                await register(slow.url, Register(f"crowd-{number}", PASSWORD))

        coming = [asyncio.create_task(come(number)) for number in range(CROWD)]
        await person.tell("users.create", username="back-door", password=PASSWORD, role="admin")
        await boss.ok("users.delete", user_id=who.user.id)
        await person.until_closed()
        await asyncio.gather(*coming)
        # Hashes are made one after the other: when this one is done, that of the command is too.
        await boss.ok("users.create", username="after", password=PASSWORD)
        for other in (boss, person):
            await other.close()
        names = {name for (name,) in await slow.rows("select username from users")}
    assert "after" in names
    assert "back-door" not in names
