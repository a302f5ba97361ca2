"""What an operator changes on the command line reaches the sockets that are open."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from protocol.auth import Login
from protocol.client import log_in, log_out, refresh
from protocol.errors import Failure
from protocol.gateway import ExpiryReason
from protocol.ids import uuid7
from protocol.permissions import Role
from server.app import opened
from server.auth import Auth
from server.auth.refresh_tokens import REUSE_GRACE_MS
from server.battles import Battles
from server.config import Settings
from server.gateway import RightsChange
from tests.support.battles import easy_battle
from tests.support.clock import ManualClock
from tests.support.people import PASSWORD, Person, connected, registered, turned_away
from tests.support.polling import Polling
from tests.support.processes import listening
from tests.support.server import Server

pytestmark = pytest.mark.pairwise

REACHES_WITHIN_S = 5


async def until_gone(*people: Person) -> list[str]:
    """Wait until the server has let these go. Returns the reasons that it gave."""
    await asyncio.gather(*(person.until_closed() for person in people))
    await asyncio.gather(*(person.close() for person in people))
    return [told["reason"] for person in people for told in person.named("auth.expired")]


@pytest.mark.usefixtures("transport")
async def test_a_person_is_kept_out_of_every_socket_and_let_in_again(server: Server) -> None:
    logged_in = await registered(server.url)
    name = logged_in.user.username
    other = await log_in(server.url, Login(name, PASSWORD))
    sockets = [await Person(server.url, who).connect() for who in (logged_in, other)]
    bystander = await connected(server.url)
    async with aiohttp.ClientSession() as session:
        polling = await Polling(session, server.url).log_in(token=other.tokens.access_token)
        asking = asyncio.create_task(polling.poll())
        await server.command("user", "disable", name)
        async with asyncio.timeout(REACHES_WITHIN_S):
            assert await until_gone(*sockets) == ["disabled", "disabled"]
            assert '["auth.expired",{"reason":"disabled"}' in (await asking).packets[0]
    with pytest.raises(Failure) as wrong:
        await log_in(server.url, Login(name, PASSWORD))
    assert wrong.value.error.code == "unauthenticated"
    await turned_away(Person(server.url, other))

    await server.command("user", "enable", name.upper())
    with pytest.raises(Failure):
        await refresh(server.url, other.tokens.refresh_token)
    again = await Person(server.url, await log_in(server.url, Login(name, PASSWORD))).connect()
    await again.ok("players.get")
    await bystander.ok("players.get")
    for person in (again, bystander):
        await person.close()


@pytest.mark.usefixtures("transport")
async def test_another_role_is_refreshed_into(server: Server) -> None:
    person = await connected(server.url)
    assert person.logged_in is not None
    await server.command("user", "role", person.logged_in.user.username, "viewer")
    async with asyncio.timeout(REACHES_WITHIN_S):
        assert await until_gone(person) == ["rights_changed"]
    await turned_away(Person(server.url, person.logged_in))
    refreshed = await refresh(server.url, person.logged_in.tokens.refresh_token)
    assert refreshed.user.role is Role.VIEWER
    viewer = await Person(server.url, refreshed).connect()
    assert await viewer.refused("players.get") == ("forbidden", None)
    await viewer.close()


@pytest.mark.usefixtures("transport")
async def test_a_service_key_ends(server: Server) -> None:
    name = f"robot {uuid7()}"
    key = (await server.command("service-key", "add", name, "--scope", "read")).strip()
    robot = await Person(server.url).connect(service_key=key)
    await server.command("service-key", "revoke", name)
    async with asyncio.timeout(REACHES_WITHIN_S):
        assert await until_gone(robot) == ["revoked"]
    await turned_away(Person(server.url), service_key=key)


@pytest.mark.usefixtures("transport")
async def test_a_copy_of_a_refresh_token_ends_the_sockets_of_its_log_in(tmp_path: Path) -> None:
    clock = ManualClock()
    async with (
        opened(Settings(data_dir=tmp_path, password_hash_cost=4), clock) as app,
        listening(app) as url,
    ):
        first = await app.service(Auth).add("alice", PASSWORD, Role.PLAYER)
        thief = await Person(url, first).connect()
        owner = await Person(url, await refresh(url, first.tokens.refresh_token)).connect()
        clock.advance(REUSE_GRACE_MS / 1000 + 0.001)
        with pytest.raises(Failure):
            await refresh(url, first.tokens.refresh_token)
        async with asyncio.timeout(REACHES_WITHIN_S):
            assert await until_gone(thief, owner) == ["logged_out", "logged_out"]


@pytest.mark.usefixtures("transport")
async def test_who_is_logged_out_during_the_handshake_does_not_stay(tmp_path: Path) -> None:
    async with (
        opened(Settings(data_dir=tmp_path, password_hash_cost=4)) as app,
        listening(app) as url,
    ):
        logged_in = await app.service(Auth).add("alice", PASSWORD, Role.PLAYER)
        reads = app.gateway._authenticate

        async def read_and_then_log_out(given: object) -> object:
            identity = await reads(given)
            await log_out(url, logged_in.tokens.refresh_token)
            return identity

        app.gateway._authenticate = read_and_then_log_out  # type: ignore[assignment]
        late = Person(url, logged_in)
        await late.connect()
        assert await until_gone(late) == ["logged_out"]
        assert len(app.gateway.presence) == 0


@pytest.mark.usefixtures("transport")
async def test_what_has_begun_is_committed_and_what_waits_is_not(tmp_path: Path) -> None:
    async with (
        opened(Settings(data_dir=tmp_path, password_hash_cost=4)) as app,
        listening(app) as url,
    ):
        await app.start()
        person = await connected(url)
        battle_id = await easy_battle(person)
        queue = app.database.writer.queue

        def queue_and_then_end(*given: Any) -> None:
            """Their rights end while the first command is on its way to the disk."""
            app.database.writer.queue = queue  # type: ignore[method-assign]
            queue(*given)
            change = RightsChange(1, person.id, None, ExpiryReason.DISABLED)
            app.gateway.rights.change(change)

        app.database.writer.queue = queue_and_then_end  # type: ignore[method-assign]
        for name in ("battles.join", "battles.leave"):
            await person.tell(name, battle_id=battle_id)
        assert await until_gone(person) == ["disabled"]
        await app.gateway.dispatch.settle()
        battle = (await app.service(Battles).get(battle_id)).committed.battle
        assert battle.seats[person.id].seated


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("user", "role", "nobody-here", "viewer"), 1, "there is nobody named nobody-here"),
        (("user", "disable", "nobody-here"), 1, "there is nobody named nobody-here"),
        (("user", "enable", "nobody-here"), 1, "there is nobody named nobody-here"),
        (("service-key", "revoke", "none"), 1, "there is no service key named none"),
        (("user", "role", "admin", "owner"), 2, "invalid choice: 'owner'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_what_can_not_be_done_is_said_in_one_line(
    server: Server, arguments: tuple[str, ...], code: int, says: str
) -> None:
    status, output, errors = await server.run(*arguments)
    assert (status, output) == (code, "")
    assert says in errors.splitlines()[-1]
    if code == 1:
        assert errors.count("\n") == 1
        assert errors.startswith("warroom: ")


@pytest.mark.parametrize("action", [("disable",), ("role", "player")])
async def test_the_last_admin_stays(own_server: Server, action: tuple[str, ...]) -> None:
    verb, *more = action
    status, output, errors = await own_server.run("user", verb, "admin", *more)
    assert (status, output) == (1, "")
    assert "admin is the last admin: make another user" in errors
    assert errors.count("\n") == 1
