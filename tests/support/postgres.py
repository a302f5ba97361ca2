"""A PostgreSQL server of the tests' own."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Self

import asyncpg

from tests.support.programs import need

STARTS_WITHIN_S = 60
READY = (b"ready to accept connections", b"ready to accept read-only connections")
LAST_LINES = 100


def _account() -> str | None:
    """The account to run as: PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _read(said: int, ready: Callable[[], None]) -> str:
    """Read what a server says until its end. Returns the last lines."""
    last: deque[bytes] = deque(maxlen=LAST_LINES)
    with os.fdopen(said, "rb") as lines:
        for line in lines:
            last.append(line)
            if any(words in line for words in READY):
                ready()
    return b"".join(last).decode()


class Postgres:
    """A cluster in a folder of its own, that can be stopped, killed and paused."""

    def __init__(self, *, durable: bool = True) -> None:
        """Where it is never killed it need not be durable, and new databases come fast."""
        self._durable = durable
        memory = Path("/dev/shm")  # noqa: S108 - a disk that others keep busy answers late
        place = memory if not durable and os.access(memory, os.W_OK) else None
        self._folder = Path(tempfile.mkdtemp(prefix="warroom-postgres-", dir=place))
        self._process: asyncio.subprocess.Process | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    async def create(self) -> Self:
        """Make the cluster and start it."""
        await self._fill(
            *(need("initdb"), "--auth=trust", "--username=warroom", "--no-sync"),
            *("--encoding=UTF8", "--locale=C", str(self._folder / "data")),
        )
        return await self.start()

    async def standby(self) -> "Postgres":
        """A standby of this cluster, which follows it and reads only until it is promoted."""
        standby = Postgres(durable=self._durable)
        await standby._fill(
            *(need("pg_basebackup"), "--write-recovery-conf", "--checkpoint=fast", "--no-sync"),
            *(f"--dbname={self.url('postgres')}", f"--pgdata={standby._folder / 'data'}"),
        )
        return await standby.start()

    async def _fill(self, *command: str) -> None:
        """Run a program that makes the folder of a cluster."""
        account = _account()
        if account is not None:
            os.chown(self._folder, *pwd.getpwnam(account)[2:4])
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            user=account,
            cwd="/",
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def start(self) -> Self:
        """Start, and wait until it takes connections."""
        words, said = os.pipe()
        self._process = await asyncio.create_subprocess_exec(
            *(need("postgres"), "-D", str(self._folder / "data"), "-p", str(self.port)),
            *("-k", str(self._folder), "-c", "listen_addresses=127.0.0.1"),
            *("-c", "max_connections=200", "-c", "lc_messages=C"),
            *("-c", f"fsync={'on' if self._durable else 'off'}"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=said,
            user=_account(),
            cwd="/",
        )
        os.close(said)
        ready = asyncio.Event()
        listen = partial(asyncio.get_running_loop().call_soon_threadsafe, ready.set)
        # In a thread: the loop that shares a cluster stands still while a test runs in its own,
        # and a PostgreSQL whose words nobody reads stops at a full pipe, in the midst of a query.
        self._words = asyncio.create_task(asyncio.to_thread(_read, words, listen))
        started = asyncio.create_task(ready.wait())
        async with asyncio.timeout(STARTS_WITHIN_S):
            await asyncio.wait({started, self._words}, return_when=asyncio.FIRST_COMPLETED)
        started.cancel()
        if not ready.is_set():
            raise RuntimeError(await self._words)
        return self

    def url(self, name: str) -> str:
        """The address of a database."""
        return f"postgresql://warroom@127.0.0.1:{self.port}/{name}"

    async def database(self) -> str:
        """The address of a new, empty database."""
        connection = await asyncpg.connect(self.url("postgres"))
        number = await connection.fetchval("select count(*) from pg_database")
        name = f"warroom_{number}"
        await connection.execute(f"create database {name}")
        await connection.close()
        return self.url(name)

    async def stop(self) -> None:
        """Stop at once: connections end, what is not committed is undone."""
        self._signal(signal.SIGINT)
        await self._ended()

    async def kill(self) -> None:
        """kill -9, all of its processes."""
        for pid in self._pids():
            os.kill(pid, signal.SIGKILL)
        await self._ended()

    async def pause(self) -> None:
        """Freeze all of its processes: connections stay, nothing is answered."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    async def go_on(self) -> None:
        """End the pause."""
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    async def remove(self) -> None:
        """Stop, and leave nothing behind."""
        if self._process is not None:
            await self.go_on()
            await self.stop()
        shutil.rmtree(self._folder)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _pids(self) -> list[int]:
        """The server and its children, whose number changes while we look."""
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, children)]

    async def _ended(self) -> None:
        assert self._process is not None
        await self._process.wait()
        await self._words
        self._process = None
