"""A client that polls, request by request."""

import json

import aiohttp

from tests.support.server import Server


class Polling:
    """A connection over plain HTTP requests, as behind a proxy that knows nothing else."""

    def __init__(self, server: Server, session: aiohttp.ClientSession) -> None:
        self._url = f"{server.url}/socket.io/?EIO=4&transport=polling"
        self._session = session

    async def connect(self, token: str) -> "Polling":
        """Shake hands."""
        opened = json.loads((await self.read())[1:])
        self._url += f"&sid={opened['sid']}"
        async with self._session.post(self._url, data="40" + json.dumps({"token": token})):
            assert (await self.read()).startswith("40")
        return self

    async def read(self) -> str:
        """What is there, or what comes next."""
        async with self._session.get(self._url) as answer:
            return await answer.text()
