"""socket.io-client in a Node of its own, with the face of a wire."""

import asyncio
import itertools
import json
from typing import Any, Self

from tests.support.folds import Told
from tests.support.programs import need
from tests.support.server import ROOT
from tests.support.talk import ANSWERS_WITHIN_S, Talk

PROGRAM = ROOT / "tests" / "support" / "node_client.mjs"


class NodeClient(Talk):
    """A connection that the JavaScript client carries: it notices what Python's does not.

    `gone`: why it has ended, in the client's own words.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        super().__init__()
        self.gone: str | None = None
        self._process = process
        self._acks = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._connected = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def connect(cls, url: str, transport: str, token: str) -> Self:
        """Connect and log in. Raises ConnectionError, TimeoutError."""
        client = cls(
            await asyncio.create_subprocess_exec(
                *(need("node"), str(PROGRAM), url, token, transport),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=2**24,
            )
        )
        await client.until(lambda: client._connected or client.gone)
        if client.gone:
            await client.close()
            raise ConnectionError(client.gone)
        return client

    async def call(self, name: str, data: Any = None, **fields: Any) -> dict[str, Any]:
        """Send a message, and wait for its answer."""
        ack = next(self._acks)
        self._write({"name": name, "data": fields if data is None else data, "ack": ack})
        await self.until(lambda: ack in self._answers or self.gone)
        if ack not in self._answers:
            raise ConnectionError(self.gone)
        return self._answers.pop(ack)

    async def tell(self, name: str, data: Any = None, **fields: Any) -> None:
        """Send a message that asks for no answer."""
        self._write({"name": name, "data": fields if data is None else data})

    async def until_closed(self) -> str:
        """Wait until the connection has ended. Returns why."""
        why: str = await self.until(lambda: self.gone)
        return why

    @property
    def is_open(self) -> bool:
        """Whether it is connected."""
        return self._connected and self.gone is None

    async def close(self) -> None:
        """Disconnect, and wait for the process to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            await self._process.wait()
            await self._reading

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            match json.loads(line):
                case {"told": told}:
                    self.events.append(Told(*told))
                case {"answered": ack, "reply": reply}:
                    self._answers[ack] = reply
                case {"connected": _}:
                    self._connected = True
                case {"refused": why} | {"gone": why}:
                    self.gone = why
            self._changed.set()
        self.gone = self.gone or "the process has ended"
        self._changed.set()
