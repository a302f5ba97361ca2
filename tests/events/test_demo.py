"""`scripts/demo` as a newcomer starts it: it lives, one can log in, and nothing is left behind."""

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from protocol.auth import LoggedIn, Login
from protocol.battle_events import ChatSaid, RewardClaimed, Struck
from protocol.battles import ListBattles, Status
from protocol.client import Client, Received, log_in
from protocol.permissions import Role
from tests.support.outside import until
from tests.support.server import ROOT

LIVES_WITHIN_S = 90
SHOWN = re.compile(r"(guest|admin)\s+with the password\s+(\S+)")


class Demo:
    """One that runs."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.printed = ""
        self.url = ""

    async def until(self, words: str) -> str:
        """Wait for a line with these words."""
        assert self.process.stdout is not None
        async with asyncio.timeout(LIVES_WITHIN_S):
            async for line in self.process.stdout:
                self.printed += line.decode()
                if words in line.decode():
                    return line.decode()
        raise AssertionError(f"{words!r} was not said:\n{self.printed}")

    async def log_in(self, who: str) -> LoggedIn:
        """Log in with the password that was shown."""
        password = dict(SHOWN.findall(self.printed))[who]
        return await log_in(self.url, Login(who, password))

    def children(self) -> list[int]:
        """The processes that it has started."""
        pid = self.process.pid
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    async def end(self, number: signal.Signals) -> int:
        """Ctrl-C and the like reach all of a terminal's group. Returns the exit code."""
        os.killpg(self.process.pid, number)
        return await self.rest()

    async def rest(self) -> int:
        """Wait for the end. Returns the exit code."""
        async with asyncio.timeout(LIVES_WITHIN_S):
            output, _ = await self.process.communicate()
        self.printed += output.decode()
        assert self.process.returncode is not None
        return self.process.returncode


@asynccontextmanager
async def demo(folder: Path, *arguments: str) -> AsyncIterator[Demo]:
    """Start one on a free port, in an environment that knows of a server that matters."""
    process = await asyncio.create_subprocess_exec(
        *(ROOT / "scripts" / "demo", "--port", "0", *arguments),
        env={
            **os.environ,
            "TMPDIR": str(folder),
            "DATABASE_URL": f"sqlite:///{folder / 'matters.db'}",
            "ENVIRONMENT": "production",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield Demo(process)
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()


def runs(pid: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{pid}").exists()


def is_empty(folder: Path) -> bool:
    """Whether all was thrown away, and the server that matters was not touched."""
    return not list(folder.iterdir())


def has_begun(folder: Path) -> bool:
    """Whether it is starting its server."""
    return any(folder.glob("warroom-demo-*/server.log"))


@pytest.mark.slow
async def test_players_battle_chat_and_claim(tmp_path: Path) -> None:
    async with demo(tmp_path, "--players", "4") as shown:
        shown.url = (await shown.until(" is at http")).split()[3].rstrip(",")
        await shown.until("Ctrl-C")
        assert (await shown.log_in("admin")).user.role is Role.ADMIN
        guest = await shown.log_in("guest")

        async def token() -> str:
            return guest.tokens.access_token

        missing = {Struck, ChatSaid, RewardClaimed}
        seen = asyncio.Event()

        def hear(received: Received) -> None:
            missing.discard(type(received.event))  # type: ignore[arg-type]
            if not missing:
                seen.set()

        async with Client(shown.url, token, on_event=hear) as client:

            async def watch() -> None:
                while await shown.until(" joins "):
                    page = await client.ask(ListBattles(status=Status.IN_PROGRESS))
                    for battle in page.items:
                        await client.join(f"battle:{battle.battle_id}")

            watching, living = asyncio.create_task(watch()), asyncio.create_task(seen.wait())
            done, waiting = await asyncio.wait(
                {watching, living}, timeout=LIVES_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
            )
            for task in waiting:
                task.cancel()
            await asyncio.wait({watching, living})
            assert done == {living}, (missing, shown.printed)
        if " takes " not in shown.printed:  # the event comes before the answer
            await shown.until(" takes ")
        [server] = shown.children()
        assert await shown.end(signal.SIGINT) == 0, shown.printed
        assert not runs(server)
    assert re.search(r"[1-9]\d* strikes, \d+ lines of chat, [1-9]\d* rewards", shown.printed)
    assert is_empty(tmp_path)


async def test_it_ends_by_itself(tmp_path: Path) -> None:
    async with demo(tmp_path, "--players", "0", "--seconds", "0.1") as shown:
        assert await shown.rest() == 0, shown.printed
    assert "0 strikes" in shown.printed
    assert is_empty(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
async def test_whoever_ends_it_while_it_starts_has_ended_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    async def look() -> bool:
        return has_begun(tmp_path)

    async with demo(tmp_path) as shown:
        await until(look, LIVES_WITHIN_S)
        assert await shown.end(number) == 0, shown.printed
    assert is_empty(tmp_path)


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with demo(tmp_path, "--port", port) as shown:
            assert await shown.rest() == 1
    assert shown.printed.startswith("scripts/demo: the server did not start:\n")
    assert "in use" in shown.printed
    assert "Traceback" not in shown.printed


def test_players_need_only_what_a_client_needs() -> None:
    """A machine that has only what the server needs runs it, too."""
    code = "import sys, scripts.demo_players.demo; print(*{n.split('.')[0] for n in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    known = set(done.stdout.split())
    assert "protocol" in known
    assert not known & {"server", "tests", "pytest", "hypothesis", "playwright"}
