"""`call` and `watch` against a running server."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from protocol.errors import Code
from server.cli.parser import CODES
from tests.support.battles import easy_battle
from tests.support.people import PASSWORD, Person, connected
from tests.support.server import ROOT, Server

pytestmark = pytest.mark.socketio

WITHIN_S = 30


def as_person(person: Person, **more: str) -> dict[str, str]:
    """The environment of whoever calls as somebody."""
    assert person.logged_in is not None
    return {
        "HOME": "/nonexistent",
        "WARROOM_URL": person.url,
        "WARROOM_USERNAME": person.logged_in.user.username,
        "WARROOM_PASSWORD": PASSWORD,
        **more,
    }


async def program(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """The command line, started."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", *arguments),
        cwd=ROOT,
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def call(
    environment: dict[str, str], *arguments: str, given: str = ""
) -> tuple[int | None, Any, str]:
    """The exit code, the reply, and what is said on stderr."""
    process = await program(environment, "call", *arguments)
    async with asyncio.timeout(WITHIN_S):
        output, errors = await process.communicate(given.encode())
    return process.returncode, json.loads(output) if output else None, errors.decode()


async def test_a_command_is_carried_out_once_however_often_it_is_sent(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    environment = as_person(alice)
    fields = json.dumps({"battle_id": battle_id})
    code, reply, errors = await call(environment, "battles.join", fields)
    assert (code, reply["ok"], errors) == (0, True, "")
    line = json.dumps({"battle_id": battle_id, "text": "once"})
    for given in (line, "-"):
        arguments = ("battles.chat", given, "--request-id", "cron-1")
        code, reply, _ = await call(environment, *arguments, given=line)
        assert (code, reply["ok"]) == (0, True)
    battle = await alice.ok("battles.get", battle_id=battle_id)
    assert [said["text"] for said in battle["chat"]].count("once") == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("battles.get", '{"battle_id": "0199c0de-0000-7000-8000-000000000000"}'), Code.NOT_FOUND),
        (("battles.get", "{}"), Code.INVALID),
        (("battles.get", "[]"), Code.INVALID),
        (("battle.get",), Code.NOT_FOUND),
        (("battles.struck",), Code.NOT_FOUND),
        (("users.list",), Code.FORBIDDEN),
    ],
)
async def test_the_exit_code_is_that_of_the_reply(
    alice: Person, arguments: tuple[str, ...], expected: Code
) -> None:
    code, reply, errors = await call(as_person(alice), *arguments)
    assert (reply["ok"], reply["error"]["code"]) == (False, expected)
    assert (code, errors) == (CODES[expected], "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("battles.list", "{"),
        ("battles.list", '{"limit": NaN}'),
        ("battles.list", "{}", "--request-id", "x"),
        ("battles.chat", '{"request_id": "x"}', "--request-id", "y"),
        ("battles.list", "{}", "--timeout", "0"),
    ],
)
async def test_what_can_not_be_sent_is_one_line(alice: Person, arguments: tuple[str, ...]) -> None:
    code, reply, errors = await call(as_person(alice), *arguments)
    assert (code, reply, errors.count("\n")) == (2, None, 1)
    assert errors.startswith("warroom: ")


async def test_who_is_not_let_in_is_told_so(alice: Person) -> None:
    wrong = [
        as_person(alice, WARROOM_PASSWORD="another horse"),
        {"WARROOM_URL": alice.url, "WARROOM_SERVICE_KEY": "wrk_none"},
        {"WARROOM_URL": alice.url, "WARROOM_TOKEN": "none"},
    ]
    for environment in wrong:
        code, reply, errors = await call(environment, "battles.list")
        assert (code, errors) == (CODES[Code.UNAUTHENTICATED], "")
        assert reply["error"]["code"] == "unauthenticated"


async def test_no_server_is_one_line(alice: Person) -> None:
    for kind in ("WARROOM_TOKEN", "WARROOM_SERVICE_KEY"):
        environment = {"WARROOM_URL": "http://127.0.0.1:1", kind: "x"}
        code, reply, errors = await call(environment, "battles.list")
        assert (code, reply, errors.count("\n")) == (1, None, 1)
        assert "can't be reached" in errors
    code, _, errors = await call(as_person(alice, WARROOM_URL="http://127.0.0.1:1"), "battles.list")
    assert (code, errors.count("\n")) == (1, 1)


async def test_a_call_leaves_no_log_in_behind(own_server: Server) -> None:
    person = await connected(own_server.url)
    code, _, _ = await call(as_person(person), "battles.list")
    assert code == 0
    query = "select distinct family from refresh_tokens where revoked = false"
    assert len(await own_server.rows(query)) == 1  # that of the person who is connected
    await person.close()


# ---- watch


class Watching:
    """A `watch` that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next(self, *names: str) -> dict[str, Any]:
        """The next line of one of these names."""
        assert self.process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while line := await self.process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                if not names or told.get("type") in names:
                    return told
        raise AssertionError("it has ended")

    async def ended(self) -> tuple[int | None, str, str]:
        """Its exit code, and what else it said."""
        async with asyncio.timeout(WITHIN_S):
            output, errors = await self.process.communicate()
        return self.process.returncode, output.decode(), errors.decode()


@asynccontextmanager
async def watching(environment: dict[str, str], *arguments: str) -> AsyncIterator[Watching]:
    """Watch a room."""
    process = await program(environment, "watch", *arguments)
    try:
        yield Watching(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def say(person: Person, battle_id: str, text: str) -> None:
    """Say something, as often as it takes."""
    assert (await person.patiently("battles.chat", battle_id=battle_id, text=text))["ok"]


async def test_watch_goes_on_after_a_kill_and_after_its_own_end(
    own_server: Server, tmp_path: Path
) -> None:
    person = await connected(own_server.url)
    battle_id = await easy_battle(person)
    await person.ok("battles.join", battle_id=battle_id)
    state = tmp_path / "battle.json"
    arguments = (f"battle:{battle_id}", "--state", str(state))
    async with watching(as_person(person), *arguments) as watch:
        first = await watch.next()
        assert (first["type"], first["data"]["verdict"]) == ("rooms.joined", "joined")
        assert first["data"]["snapshot"]["battle_id"] == battle_id
        await say(person, battle_id, "one")
        one = await watch.next("battles.chat_said")
        assert one["room"] == f"battle:{battle_id}"
        await own_server.kill()
        await own_server.start()
        again = await watch.next("rooms.joined")
        assert again["data"]["verdict"] in ("resumed", "gap_filled")
        assert again["data"]["epoch"] == one["epoch"]
        await person.close()
        watch.process.send_signal(signal.SIGINT)
        code, _, errors = await watch.ended()
        assert (code, errors) == (130, "")
    person = await Person(own_server.url, person.logged_in).connect()
    await say(person, battle_id, "two")
    async with watching(as_person(person), *arguments) as watch:
        found = await watch.next()
        assert found["data"]["verdict"] == "gap_filled"
        assert "snapshot" not in found["data"]
        two = await watch.next("battles.chat_said")
        assert two["data"]["line"]["text"] == "two"
    await person.close()


async def test_watch_ends_when_it_is_not_let_in_any_more(own_server: Server) -> None:
    name = "watcher"
    key = (await own_server.command("service-key", "add", name, "--scope", "read")).strip()
    environment = {"WARROOM_URL": own_server.url, "WARROOM_SERVICE_KEY": key}
    async with watching(environment, "connections") as watch:
        assert (await watch.next())["type"] == "rooms.joined"
        await own_server.command("service-key", "revoke", name)
        assert (await watch.next("auth.expired"))["data"]["reason"] == "revoked"
        code, output, errors = await watch.ended()
        assert (code, errors) == (CODES[Code.UNAUTHENTICATED], "")
        assert json.loads(output.splitlines()[-1])["error"]["code"] == "unauthenticated"


async def test_watch_says_why_it_can_not_join(alice: Person) -> None:
    for room, code in (("battle:nowhere", Code.NOT_FOUND), ("connections", Code.FORBIDDEN)):
        async with watching(as_person(alice), room) as watch:
            found, output, errors = await watch.ended()
            assert (found, errors) == (CODES[code], "")
            assert json.loads(output)["error"]["code"] == code


async def test_watch_ends_quietly_when_nobody_reads_any_more(alice: Person) -> None:
    battle_id = await easy_battle(alice)
    await alice.ok("battles.join", battle_id=battle_id)
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "server", "watch", f"battle:{battle_id}"),
        cwd=ROOT,
        env=as_person(alice),
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(writing)
    await asyncio.to_thread(os.read, reading, 1)
    os.close(reading)
    await say(alice, battle_id, "is anybody there?")
    async with asyncio.timeout(WITHIN_S):
        _, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (141, "")
