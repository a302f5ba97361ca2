"""The server of the demo: a process of its own, with a data folder that is thrown away."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
USUAL_PORT: Final = 8000
STARTS_WITHIN_S: Final = 30.0
ENDS_WITHIN_S: Final = 15.0
LINES_SHOWN: Final = 5

SETTINGS: Final = {
    "STAMINA_REGEN_INTERVAL": "1",
    "PASSWORD_HASH_COST": "4",
    "ADDRESS_LIMIT_SCALE": "100",
}
"""Stamina that comes back ten times as fast, so that battles are short; cheap passwords and room
for many on one address, so that all are there at once. The rules are untouched."""

KEPT: Final = ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
"""Nothing else of the environment: a DATABASE_URL there is of a server that matters."""


class ServerFailed(Exception):
    """It did not start, or has ended by itself."""


class DemoServer:
    """`python -m server run`, in an empty folder: no `.env` of a real one is read there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._log = folder / "server.log"
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self, port: int | None) -> None:
        """Start, and wait until it listens. Raises ServerFailed."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        chosen = _usual_or_free() if port is None else port
        with self._log.open("wb") as log:
            # Not above: who only plays needs nothing of the server.
            from server.runtime.children import with_parent  # noqa: PLC0415

            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "server", "run", "--port", str(chosen)),
                cwd=self._folder,
                env={**kept, **SETTINGS, "PYTHONPATH": str(ROOT), "DATA_DIR": str(self._data)},
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                # A group of its own: a Ctrl-C is for the demo, which ends the server in its turn.
                start_new_session=True,
                preexec_fn=with_parent(),
            )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                async for line in self._process.stdout:
                    if b" is at http" in line:
                        self.url = line.decode().split()[-1]
                        return
                await self._process.wait()
        except TimeoutError:
            raise ServerFailed(f"the server does not start:\n{self._last_words()}") from None
        raise ServerFailed(f"the server did not start:\n{self._last_words()}")

    def admin_password(self) -> str:
        """What the server has made at its first start."""
        return (self._data / "admin_password").read_text().strip()

    async def ended(self) -> None:
        """Wait for the end that it makes by itself. Raises ServerFailed."""
        assert self._process is not None
        code = await self._process.wait()
        raise ServerFailed(f"the server has ended with {code}:\n{self._last_words()}")

    async def stop(self) -> None:
        """End it."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(ENDS_WITHIN_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-LINES_SHOWN:])


def _usual_or_free() -> int:
    with socket.socket() as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind(("127.0.0.1", USUAL_PORT))
        except OSError:
            return 0
    return USUAL_PORT
