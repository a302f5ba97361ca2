"""A real server in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

from tests.support.engines import rows

ROOT = Path(__file__).parents[2]
STARTS_WITHIN_S = 30
ENDS_WITHIN_S = 15

QUICK = {
    "PASSWORD_HASH_COST": "4",
    "STAMINA_REGEN_INTERVAL": "0.05",
    "STAMINA_REGEN_PERCENT": "1",
    "ADDRESS_LIMIT_SCALE": "1000",
    "MAX_CONNECTIONS_PER_ADDRESS": "100000",
    "MAX_CONNECTIONS_PER_USER": "10000",
    "CONNECT_TIMEOUT_MS": "300000",
}
"""Cheap passwords, stamina that never holds a test up, room for all on one address, and time for
those who are nobody.

The rules are untouched."""


class Server:
    """A server on a free port, with a data folder that outlives it."""

    command_line: tuple[str, ...] = ("run",)

    def __init__(self, data_dir: Path, module: str = "server", **settings: str) -> None:
        self.data_dir = data_dir
        self.module = module
        self.log = data_dir / "server.log"
        self.port = 0
        self.url = ""
        self.printed = ""
        self.process: asyncio.subprocess.Process | None = None
        known = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG")}
        self.database = settings.get("DATABASE_URL", f"sqlite:///{data_dir / 'warroom.db'}")
        self._environment = {**known, **QUICK, "DATA_DIR": str(data_dir), **settings}

    async def start(self) -> Self:
        """Start, on the same port as before, and wait until it listens."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", self.module, *self.command_line, "--port", str(self.port)),
                cwd=ROOT,
                env=self._environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        async with asyncio.timeout(STARTS_WITHIN_S):
            while line := (await self.process.stdout.readline()).decode():
                self.printed += line
                if " is at http" in line:
                    self.url = line.split()[-1]
                    self.port = int(self.url.rpartition(":")[2])
                    return self
        raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")

    async def command(self, *arguments: str) -> str:
        """Run another command of the same server. Returns what it prints."""
        code, output, errors = await self.run(*arguments)
        assert code == 0, errors
        return output

    async def begin(self, *arguments: str) -> asyncio.subprocess.Process:
        """Start another command, in a group of processes of its own."""
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", self.module, *arguments),
            cwd=ROOT,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def run(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run another command. Returns its exit code, what it prints, and its errors."""
        process = await self.begin(*arguments)
        output, errors = await process.communicate()
        return process.returncode, output.decode(), errors.decode()

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query gives, asked of the database by a connection of its own."""
        return await rows(self.database, query)

    def log_size(self) -> int:
        """The size of the log, without a line that is being written."""
        return self.log.read_bytes().rfind(b"\n") + 1

    def logged(self, since: int = 0) -> list[dict[str, Any]]:
        """The events in the log, from a byte on."""
        lines, _, _ = self.log.read_bytes()[since:].rpartition(b"\n")
        return [json.loads(line) for line in lines.splitlines()]

    async def kill(self) -> None:
        """kill -9."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM. Returns the exit code."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(ENDS_WITHIN_S):
            output, _ = await process.communicate()
        self.printed += output.decode()
        assert process.returncode is not None
        return process.returncode

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
