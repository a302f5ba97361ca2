"""The servers that get the same load in turn, and one sample of one of them."""

import asyncio
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from scripts.benches.compiled import Programs
from scripts.benches.load import family, server_core
from scripts.benches.result import Broken
from tests.support.server import ROOT

LISTENS_WITHIN_S: Final = 30
LOOKS_EVERY_S: Final = 0.02
WARM_UP_S: Final = 1.0
PEER: Final = Path(__file__).with_name("peer.js")
KEPT: Final = ("PATH", "HOME", "TMPDIR", "LANG")
"""Of the environment: settings of whoever measures are not those of a server that is measured."""


@dataclass(frozen=True)
class Side:
    """A server. Its command is ended with `--port N`."""

    name: str
    command: Callable[[Programs], list[str]]


NODE: Final = Side("Node socket.io", lambda _: ["node", str(PEER)])

HEARTBEAT: Final = ("--ping-interval-ms", "25000", "--ping-timeout-ms", "20000")
"""That of Node's and of python-socketio, unless they are told another."""
WARROOM: Final = Side(
    "Warroom",
    lambda _: [
        *(sys.executable, "-m", "server", "conformance"),
        *(*HEARTBEAT, "--connect-timeout-ms", "45000"),
    ],
)
STOCK: Final = Side("python-socketio", lambda _: [sys.executable, "-m", "scripts.benches.stock"])
LIMIT: Final = Side("C limit", lambda programs: [str(programs.limit)])


def storing_node(database: Path, _: Programs) -> list[str]:
    """The command of Node's server that commits each strike to a new SQLite database."""
    return ["node", str(PEER), "--store", str(database)]


class Sample(msgspec.Struct, frozen=True):
    """What the load saw, and what the server took meanwhile.

    `sent`, `answered` and `told` (events that came) are those of the `seconds` measured, and
    `server_s` the processor's time that they took; those `in_all` count what was before and after
    as well. `working` is the part of the time in which the load had something to do.
    """

    seconds: float
    server_s: float
    working: float
    sent: int
    answered: int
    told: int
    answered_in_all: int
    told_in_all: int
    answer_p50_ms: float
    answer_p99_ms: float
    told_p50_ms: float
    told_p99_ms: float

    @property
    def told_cpu_s(self) -> float:
        """Events told per CPU second of the server."""
        return self._per_cpu_s(self.told)

    @property
    def answered_cpu_s(self) -> float:
        """Messages answered per CPU second of the server."""
        return self._per_cpu_s(self.answered)

    def _per_cpu_s(self, count: int) -> float:
        # A server may get no time at all in a moment on a busy machine.
        return count / self.server_s if self.server_s else 0.0

    @property
    def answered_s(self) -> float:
        """Messages answered in a second."""
        return self.answered / self.seconds


class Held(msgspec.Struct, frozen=True):
    """What connections took that were there and did nothing, in bytes of the server's memory."""

    memory_before: int
    memory: int
    bytes_each: float


class Server(msgspec.Struct, frozen=True):
    """One that listens."""

    name: str
    port: int
    pid: int


@asynccontextmanager
async def running(side: Side, programs: Programs) -> AsyncIterator[Server]:
    """A new server of its own, on a core of its own. Raises Broken where it does not start."""
    port = _free_port()
    command = [*side.command(programs), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if name in KEPT}
    with tempfile.TemporaryFile() as log:
        try:
            with server_core():
                process = await asyncio.create_subprocess_exec(
                    *command, cwd=ROOT, env=environment, stdout=log, stderr=log
                )
        except FileNotFoundError:
            raise Broken(f"{side.name}: there is no {command[0]}") from None
        try:
            if not await _listens(process, port):
                log.seek(0)
                words = log.read().decode(errors="replace").strip()
                raise Broken(f"{side.name} does not start:\n{words}")
            yield Server(side.name, port, process.pid)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def _listens(process: asyncio.subprocess.Process, port: int) -> bool:
    """Wait until something can be connected to, or the process is gone."""
    try:
        async with asyncio.timeout(LISTENS_WITHIN_S):
            while process.returncode is None:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(LOOKS_EVERY_S)
                else:
                    writer.close()
                    return True
    except TimeoutError:
        pass
    return False


def lasting(seconds: float) -> tuple[str, ...]:
    """Options of a load that lasts so long, and of no more to warm up."""
    return "--seconds", str(seconds), "--warm-up", str(min(seconds, WARM_UP_S))


async def loaded(programs: Programs, server: Server, *options: str) -> Sample:
    """Put load on a server. Raises Broken where anything is lost, refused or out of order."""
    return msgspec.json.decode(await _load(programs, server, *options), type=Sample)


async def held(programs: Programs, server: Server, *options: str) -> Held:
    """Hold connections to a server that do nothing. Raises Broken where one is lost."""
    return msgspec.json.decode(await _load(programs, server, "idle", *options), type=Held)


async def _load(programs: Programs, server: Server, *options: str) -> bytes:
    pids = ",".join(map(str, family(server.pid)))
    command = [str(programs.load), "--port", str(server.port), "--pid", pids, *options]
    pipe: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipe)
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise Broken(f"{server.name}, {options[0]}: {errors.decode(errors='replace').strip()}")
    return output
