"""Who waits for a password to be computed: for which network, how urgently, and for how long."""

import asyncio
from typing import Any

import aiohttp

from protocol.auth import Login, Register
from protocol.permissions import Role
from server.auth import Accounts, Auth
from server.auth.passwords import THREADS
from server.auth.turns import HashKind
from server.users import Users
from tests.support.lines import Line, line
from tests.support.people import PASSWORD
from tests.support.processes import ADDRESS, Process, listening

HOME = "192.0.2.1"


async def test_each_password_waits_for_the_network_that_asks(here: Process) -> None:
    """And what an operator sets is as urgent as a log-in."""
    auth = here.app.service(Auth)
    boss = await here.person("boss", Role.ADMIN)
    admin: Line = await line(here.app, token=boss.tokens.access_token)
    turns = auth._passwords._turns
    take, taken = turns.take, list[tuple[str, HashKind]]()

    async def noted(network: str, kind: HashKind) -> None:
        taken.append((network, kind))
        await take(network, kind)

    turns.take = noted  # type: ignore[method-assign]
    await auth.register(Register("alice", PASSWORD), HOME)
    await auth.log_in(Login("alice", PASSWORD), HOME)
    for name, fields in (
        ("users.create", {"username": "bob"}),
        ("users.update", {"user_id": boss.user.id}),
    ):
        assert (await admin.call(here.app, name, password=PASSWORD, **fields))["ok"]
    await here.app.service(Accounts).add("carol", PASSWORD, Role.USER)
    await here.app.service(Accounts).set_password("carol", PASSWORD)
    assert taken == [
        (HOME, HashKind.REGISTRATION),
        (HOME, HashKind.LOG_IN),
        (ADDRESS, HashKind.LOG_IN),
        (ADDRESS, HashKind.LOG_IN),
        ("", HashKind.LOG_IN),
        ("", HashKind.LOG_IN),
    ]


async def test_nothing_is_computed_for_a_client_that_is_gone(here: Process) -> None:
    passwords = here.app.service(Auth)._passwords
    turns = passwords._turns
    waits, gone = asyncio.Event(), asyncio.Event()
    take, remove, hashed = turns.take, turns._remove, list[bytes]()
    hash_password = passwords._hash

    async def taken(*given: Any) -> None:
        waits.set()
        await take(*given)

    def removed(waiting: Any) -> None:
        remove(waiting)
        gone.set()

    def noted(raw: bytes) -> bytes:
        hashed.append(raw)
        return hash_password(raw)

    for _ in range(THREADS):
        await turns.take("held", HashKind.LOG_IN)
    turns.take, turns._remove = taken, removed  # type: ignore[method-assign]
    passwords._hash = noted  # type: ignore[method-assign]
    async with listening(here.app) as url, aiohttp.ClientSession(url) as session:

        async def register(name: str, password: str) -> int:
            body = {"username": name, "password": password}
            async with session.post("/api/auth/register", json=body) as answer:
                return answer.status

        leaving = asyncio.create_task(register("alice", "who has left"))
        await waits.wait()
        waits.clear()
        staying = asyncio.create_task(register("bob", "who has stayed"))
        await waits.wait()
        leaving.cancel()  # which closes the connection
        async with asyncio.timeout(10):
            await gone.wait()
        for _ in range(THREADS):
            turns.leave()
        assert await staying == 201
    assert hashed == [b"who has stayed"]
    assert await here.app.service(Users).by_name("alice") is None
