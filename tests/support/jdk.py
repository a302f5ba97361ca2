"""The WebSocket client of the JDK, which tests drive line by line."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.programs import need

PROGRAM = Path(__file__).parent / "java" / "PlainClient.java"
ANSWERS_WITHIN_S = 20
LONGEST_LINE = 4 * 1024 * 1024


class JdkClient:
    """A connection to `/ws` by java.net.http.WebSocket."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def send(self, message: dict[str, Any], *, frame_size: int | None = None) -> None:
        """Send a message, whole or in frames of so many characters."""
        assert self._process.stdin is not None
        size = "" if frame_size is None else f"{frame_size} "
        text = json.dumps(message, ensure_ascii=False)
        self._process.stdin.write(f"{size}{text}\n".encode())

    async def next(self) -> dict[str, Any]:
        """The next message that came."""
        message: dict[str, Any] = json.loads(await self._line())
        return message

    async def until_answered(self, ident: int) -> list[dict[str, Any]]:
        """All that comes up to the answer to a message, and that."""
        found = [await self.next()]
        while found[-1].get("id") != ident:
            found.append(await self.next())
        return found

    async def close(self) -> str:
        """Close the connection. Returns the code and the reason."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self.until_closed()

    async def until_closed(self) -> str:
        """Wait until the connection has ended. Returns the code and the reason."""
        while not (line := await self._line()).startswith("closed "):
            continue
        return line.removeprefix("closed ").strip()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            line = (await self._process.stdout.readline()).decode().rstrip("\n")
        assert line, "the program has ended"
        return line


@asynccontextmanager
async def jdk_client(url: str, token: str) -> AsyncIterator[JdkClient]:
    """A connection of somebody. Skips the test where there is no JDK; with CI=true that fails."""
    need("javac")  # a JRE alone can't run a program from its source
    process = await asyncio.create_subprocess_exec(
        *(need("java"), str(PROGRAM), url.replace("http", "ws", 1), token),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    try:
        yield JdkClient(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
